// descent compare: every optimizer on the same data, initial weights and batch order, each with the
// same small budget of learning rates. The rate is chosen on validation data; the winner is trained
// again on training and validation data together, and tested once.
#include "commands.h"
#include "console.h"
#include "jobs.h"
#include "report.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>

namespace app {

using namespace descent;

namespace {

const std::vector<double> kSgdRates{0.03, 0.1, 0.3, 1.0, 3.0},
    kMomentumRates{0.01, 0.03, 0.1, 0.3, 1.0}, kAdaptiveRates{0.001, 0.003, 0.01, 0.03, 0.1};

std::vector<Entrant> entrants() {
  return {
      {"sgd", "sgd", kSgdRates},
      {"momentum", "momentum", kMomentumRates},
      {"nesterov", "nesterov", kMomentumRates},
      {"adagrad", "adagrad", kMomentumRates},
      {"rmsprop", "rmsprop", kAdaptiveRates},
      {"adam", "adam", kAdaptiveRates},
      {"amsgrad", "amsgrad", kAdaptiveRates},
      {"adamw", "adamw", kAdaptiveRates},
      {"sam(momentum)", "sam(momentum)", kMomentumRates},
      {"sam(adamw)", "sam(adamw)", kAdaptiveRates},
      {"clip_norm(momentum)", "clip_norm(momentum, 1)", kMomentumRates},
      {"swa(adamw)", "adamw", kAdaptiveRates, 0.75},
  };
}

/// "sgd, sam(adamw, rho=0.1)" at the commas outside parentheses.
std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts{""};
  int depth = 0;
  for (const char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ',' && depth == 0)
      parts.emplace_back();
    else if (c != ' ' || !parts.back().empty())
      parts.back() += c;
  }
  for (std::string& p : parts) p.erase(p.find_last_not_of(' ') + 1);
  return parts;
}

/// Any description, with rates around the rule's default unless it has one of its own.
Entrant described(const std::string& text) {
  const std::string rule = optim::rule_of(text);
  if (text.find("lr=") != std::string::npos) return {text, text, {0}};
  for (const Entrant& e : entrants())
    if (e.description == rule && e.swa == 0) return {text, text, e.rates};
  const double lr = default_rate(text);
  return {text, text, {0.3 * lr, lr, 3 * lr, 10 * lr, 30 * lr}};
}

std::vector<Entrant> chosen(const Options& o) {
  std::vector<Entrant> all = entrants(), picked;
  if (o.optimizer.empty()) picked = all;
  for (const std::string& name :
       o.optimizer.empty() ? std::vector<std::string>() : split_list(o.optimizer)) {
    const std::size_t before = picked.size();
    for (const Entrant& e : all)  // "sam" means all that begin with "sam("
      if (e.name == name || e.name.starts_with(name + "(")) picked.push_back(e);
    if (picked.size() == before) picked.push_back(described(name));
  }
  for (Entrant& e : picked) {
    if (o.lr > 0) e.rates = {o.lr};
    // What the options put around every rule shows in its name.
    if (o.clip_value > 0) e.name = concat("clip_value(", e.name, ")");
    if (o.clip_norm > 0) e.name = concat("clip_norm(", e.name, ")");
    if (o.sam > 0) e.name = concat("sam(", e.name, ")");
    if (o.ema > 0) e.name = concat("ema(", e.name, ")");
    if (o.swa > 0 && e.swa == 0) e.name = concat("swa(", e.name, ")");
  }
  return picked;
}

Options options_of(const Options& o, const Entrant& e, double lr, std::uint64_t seed) {
  Options own = o;
  own.optimizer = e.description;
  own.lr = lr;
  own.seed = seed;
  if (e.swa > 0) own.swa = e.swa;
  return own;
}

struct Parts {
  data::Dataset train, validation, both, test;
};

/// Test data is `o.validation` of all; a tenth of the rest serves to choose the rate.
Parts parts_of(const Options& o, const data::Dataset& all, std::uint64_t seed) {
  auto [rest, test] = data::split(all, 1 - o.validation, seed);
  auto [train, validation] = data::split(rest, 0.9, seed);
  Parts p{train, validation, rest, test};
  data::Dataset test_for_both = p.test;
  prepare(o, p.train, {&p.validation});
  prepare(o, p.both, {&test_for_both});
  p.test = test_for_both;
  return p;
}

Run run_once(const Options& o, const data::Dataset& all, const data::Dataset& train_set,
             const data::Dataset& scored) {
  manual_seed(o.seed);
  nn::Sequential model = make_model(o, all);
  return train(o, model, train_set, scored);
}

}  // namespace

int compare_command(const Options& o) {
  const std::vector<Entrant> all_entrants = chosen(o);
  const data::Dataset all = load_data(o);
  std::vector<Parts> parts;
  for (int s = 1; s <= o.seeds; ++s)
    parts.push_back(parts_of(o, all, static_cast<std::uint64_t>(s)));
  // A wrong setting shows at once, not in the middle.
  for (const Entrant& e : all_entrants) {
    nn::Sequential model = make_model(o, all);
    make_optimizer(options_of(o, e, e.rates[0], 1), model.parameters(), 100);
  }
  std::filesystem::create_directories(o.out.empty() ? "." : o.out);

  struct Job {
    std::size_t entrant, rate, seed;
  };
  std::vector<Job> search;
  for (std::size_t e = 0; e < all_entrants.size(); ++e)
    for (std::size_t r = 0; r < all_entrants[e].rates.size(); ++r)
      for (std::size_t s = 0; s < parts.size(); ++s) search.push_back({e, r, s});
  const auto started = std::chrono::steady_clock::now();
  std::vector<Run> tried(search.size());
  const auto name_of = [&](std::size_t e) { return all_entrants[e].name; };
  run_jobs(
      search.size(),
      [&](std::size_t i) {
        const auto [e, r, s] = search[i];
        const Options own = options_of(o, all_entrants[e], all_entrants[e].rates[r], s + 1);
        tried[i] = run_once(own, all, parts[s].train, parts[s].validation);
      },
      [&](std::size_t i) { return concat("choosing rates  ", name_of(search[i].entrant)); });

  std::vector<Result> results;
  for (std::size_t e = 0; e < all_entrants.size(); ++e) {
    Result result{all_entrants[e], NAN, 0, 0, {}, {}};
    double best = -INFINITY, best_loss = INFINITY;
    for (std::size_t r = 0; r < all_entrants[e].rates.size(); ++r) {
      std::vector<Run> runs;
      for (std::size_t i = 0; i < search.size(); ++i)
        if (search[i].entrant == e && search[i].rate == r) runs.push_back(tried[i]);
      std::vector<double> scores, losses;
      for (const Run& run : runs) {
        result.diverged += run.diverged;
        ++result.runs;
        scores.push_back(run.diverged ? -INFINITY : run.validation.accuracy);
        losses.push_back(run.diverged ? INFINITY : run.validation.loss);
      }
      double mean = 0, mean_loss = 0;  // over all seeds: a rate that diverges on one is not chosen
      for (const double x : scores) mean += x / static_cast<double>(scores.size());
      for (const double x : losses) mean_loss += x / static_cast<double>(losses.size());
      if (mean > best || (mean == best && mean_loss < best_loss)) {
        best = mean;
        best_loss = mean_loss;
        result.lr = std::isfinite(mean) ? all_entrants[e].rates[r] : NAN;
        result.tuned = std::move(runs);
      }
    }
    results.push_back(std::move(result));
  }
  std::vector<Job> last;
  for (std::size_t e = 0; e < results.size(); ++e)
    if (std::isfinite(results[e].lr))
      for (std::size_t s = 0; s < parts.size(); ++s) last.push_back({e, 0, s});
  for (const Job& j : last) results[j.entrant].final.resize(parts.size());
  run_jobs(
      last.size(),
      [&](std::size_t i) {
        const auto [e, r, s] = last[i];
        const Options own = options_of(o, results[e].entrant, results[e].lr, s + 1);
        results[e].final[s] = run_once(own, all, parts[s].both, parts[s].test);
      },
      [&](std::size_t i) { return concat("testing  ", name_of(last[i].entrant)); });
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();

  const std::string verdict = verdict_of(results, all.is_classification(), o.seeds);
  const std::string folder = o.out.empty() ? "." : o.out;
  write_file(folder + "/report.html", html_of(o, results, all, verdict));
  write_file(folder + "/results.csv", csv_of(results));
  std::cout << all.name << ": " << all.size() << " samples, " << search.size() + last.size()
            << " runs of " << o.epochs << (o.epochs == 1 ? " epoch in " : " epochs in ")
            << duration(seconds) << "; median (lowest–highest) over " << o.seeds
            << (o.seeds == 1 ? " seed" : " seeds") << "\n\n"
            << table(table_of(results, all.is_classification())) << "\n"
            << verdict << "\n"
            << (edge_note(results).empty() ? "" : edge_note(results) + "\n")
            << "Learning curves: " << folder << "/report.html\n";
  for (const Result& r : results)
    if (!r.final.empty()) return kOk;
  return kTrainingFailed;  // nothing was left to test
}

}  // namespace app
