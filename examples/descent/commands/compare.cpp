// descent compare: a fair comparison of tuned optimizers on any data. study/study.h describes the
// protocol.
#include "commands/commands.h"
#include "run/console.h"
#include "run/interrupt.h"
#include "run/jobs.h"
#include "study/report.h"

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

namespace app {

using namespace descent;

namespace {

/// Checks everything before the first run: throws if the data is too small, or if an optimizer
/// refuses its settings.
void check(const Options& o, const std::vector<Entrant>& entrants,
           const std::vector<Source>& sources) {
  constexpr std::int64_t kLeast = 10;
  for (const Source& s : sources) {
    if (s.set.size() < kLeast)
      fail<FileError>("compare", "got ", s.set.size(), " samples in '", s.data,
                      "', expected at least ", kLeast,
                      ": some train, some choose, and some test. Hint: collect more");
    part_rows(s.from, held_rows(o, s).rest, 1 - o.validation, o.seed);
    for (const Entrant& e : entrants) {
      nn::Sequential model = make_model(o, s.set, s.schema);
      if (make_optimizer(options_for(o, e, e.defaults, 1), model.parameters(), 100)
              .takes_residuals() &&
          s.set.is_classification())
        fail<UsageError>("--optimizers", "got '", e.name, "' for the classes of '", s.set.name,
                         "', expected rules that take any loss: it minimises squared residuals. "
                         "Hint: leave it out");
    }
  }
}

int compare(const Options& o) {
  use_threads(o.threads);
  const std::vector<Entrant> entrants = entrants_of(o);
  const std::vector<Source> sources = load_all(o);
  check(o, entrants, sources);
  if (o.keep_model && sources.size() > 1)
    fail<UsageError>("--keep-model", "got ", sources.size(), " data sets, expected one");
  if (std::error_code error;
      o.keep_model && !o.force && !o.resume &&
      std::filesystem::exists((o.out.empty() ? "." : o.out) + "/winner/model.safetensors", error))
    fail<UsageError>("--keep-model", "got '", o.out,
                     "', which has the winner of an earlier comparison, expected another folder. "
                     "Hint: --force replaces it");
  const std::string folder = o.out.empty() ? "." : o.out;
  for (const Source& s : sources)
    check_outputs(s.data, {{"--out", folder + "/report.html"},
                           {"--out", folder + "/results.csv"},
                           {"--out", folder + "/results.json"}});
  make_folder(folder);
  Records records(folder + "/results.json", identity_of(o, sources), o.resume);
  records.save("running", nullptr);  // throws before the first run if the file cannot be written

  catch_interrupts();
  const Study study = run_study(o, entrants, sources, records, interrupted);
  std::vector<Judged> all;
  for (const Contest& c : study.contests) all.push_back(judge(c, study, o));
  records.save(study.state, json_of(all, study, o));
  write_file(folder + "/report.html", html_of(all, study, o));
  write_file(folder + "/results.csv", csv_of(study));

  bool any = false;
  for (const Judged& j : all) {
    const Contest& c = *j.contest;
    std::cout << j.sentence << "\n\n";
    for (const std::string& alarm : j.alarms) std::cout << "Alarm: " << alarm << ".\n";
    for (const std::string& note : j.notes) std::cout << note << ".\n";
    std::cout << (j.alarms.empty() && j.notes.empty() ? "" : "\n");
    for (const Standing& s : j.standings) any = any || std::isfinite(s.test.median);
    if (!c.contenders.empty() && !c.contenders[0].tuned.runs.empty())
      std::cout << terminal_of(j) << "\n";
  }
  if (const std::string text = overall(all); !text.empty()) std::cout << text << "\n\n";
  std::cout << counted(static_cast<std::int64_t>(study.runs), "run") << " of "
            << counted(o.epochs, "epoch") << ", " << duration(study.seconds)
            << ". Pictures: " << folder << "/report.html\nTo repeat: " << repeating_command(o, true)
            << "\n";
  for (std::size_t d = 0; d < all.size(); ++d)
    if (any && !all[d].standings.empty())
      std::cout << "To train the first on " << all[d].contest->name << ": "
                << repeating_command(recipe_of(o, sources[d], *all[d].standings[0].who), false)
                << "\n";
  if (study.state == "interrupted") return kInterrupted;
  if (o.keep_model && !any) std::cerr << "no winner is kept: nothing was tested\n";
  if (o.keep_model && any) {
    Options winner = recipe_of(o, sources[0], *all[0].standings[0].who);
    winner.out = folder + "/winner";
    winner.force = true;
    std::cout << "\n";
    return train(winner);
  }
  return any || study.state == "out of time" ? kOk : kTrainingFailed;
}

std::function<int()> add(CLI::App& app) {
  const auto o = std::make_shared<Options>(default_options(true));
  add_options(app, *o, true);
  return [o] { return compare(*o); };
}

}  // namespace

const Command kCompare{"compare", "Train with every optimizer, side by side, and write a report",
                       add};

}  // namespace app
