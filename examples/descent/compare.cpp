// descent compare: every optimizer on the same data, initial weights and batch order, each with the
// same small budget of learning rates. The rate is chosen on validation data; the winner is trained
// again on training and validation data together, and tested once.
#include "commands.h"
#include "console.h"
#include "svg.h"
#include "training.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <thread>

namespace app {

using namespace descent;

namespace {

/// One line of the table: a rule and what is put around it.
struct Entrant {
  std::string name, rule;
  std::vector<double> rates;
  double sam = 0, clip_norm = 0, swa = 0;
};

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
      {"sam(momentum)", "momentum", kMomentumRates, 0.05},
      {"sam(adamw)", "adamw", kAdaptiveRates, 0.05},
      {"clip_norm(momentum)", "momentum", kMomentumRates, 0, 1.0},
      {"swa(adamw)", "adamw", kAdaptiveRates, 0, 0, 0.75},
  };
}

std::vector<Entrant> chosen(const Options& o) {
  std::vector<Entrant> all = entrants(), picked;
  if (o.optimizer.empty()) {
    picked = all;
  } else {
    std::vector<std::string> names;
    for (const Entrant& e : all) names.push_back(e.name);
    for (std::size_t at = 0; at <= o.optimizer.size();) {
      const std::size_t end = std::min(o.optimizer.find(',', at), o.optimizer.size());
      std::string name = o.optimizer.substr(at, end - at);
      name.erase(0, name.find_first_not_of(' '));
      name.erase(name.find_last_not_of(' ') + 1);
      at = end + 1;
      bool wrapped = false;  // "sam" means all that begin with "sam("
      for (const Entrant& e : all)
        if (e.name.starts_with(name + "(")) {
          picked.push_back(e);
          wrapped = true;
        }
      if (wrapped) continue;
      const auto found = std::find(names.begin(), names.end(), name);
      if (found == names.end()) {
        std::string list;
        for (const std::string& n : names) list += (list.empty() ? "" : ", ") + n;
        const std::string near = nearest_match(name, names);
        fail<UsageError>("--optimizer", "got '", name, "', expected one of ", list,
                         near.empty() ? "" : concat(". Hint: did you mean '", near, "'?"));
      }
      picked.push_back(all[static_cast<std::size_t>(found - names.begin())]);
    }
  }
  for (Entrant& e : picked) {
    if (o.lr > 0) e.rates = {o.lr};
    // What the options put around every rule shows in its name.
    if (o.clip_norm > 0 && e.clip_norm == 0) e.name = concat("clip_norm(", e.name, ")");
    if (o.clip_value > 0) e.name = concat("clip_value(", e.name, ")");
    if (o.sam > 0 && e.sam == 0) e.name = concat("sam(", e.name, ")");
    if (o.ema > 0) e.name = concat("ema(", e.name, ")");
    if (o.swa > 0 && e.swa == 0) e.name = concat("swa(", e.name, ")");
  }
  return picked;
}

Options options_of(const Options& o, const Entrant& e, double lr, std::uint64_t seed) {
  Options own = o;
  own.optimizer = e.rule;
  own.lr = lr;
  own.seed = seed;
  if (e.sam > 0) own.sam = e.sam;
  if (e.clip_norm > 0) own.clip_norm = e.clip_norm;
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

/// Runs jobs 0 … n−1 on as many threads as the library may use; each job is deterministic by
/// itself.
void run_jobs(std::size_t n, const std::function<void(std::size_t)>& job,
              const std::function<std::string(std::size_t)>& note) {
  const int workers = num_threads();
  set_num_threads(1);  // a run is small: two runs beside each other beat one run on two threads
  std::atomic<std::size_t> next{0};
  std::size_t done = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  Progress progress(n);
  std::vector<std::thread> threads;
  for (int w = 0; w < workers; ++w)
    threads.emplace_back([&] {
      for (std::size_t i; (i = next++) < n;) {
        try {
          job(i);
        } catch (...) {
          const std::lock_guard lock(mutex);
          failure = std::current_exception();
          next = n;
        }
        const std::lock_guard lock(mutex);
        progress.update(++done, note(i));
      }
    });
  for (std::thread& t : threads) t.join();
  set_num_threads(workers);
  if (failure) std::rethrow_exception(failure);
}

struct Summary {
  double median = NAN, low = NAN, high = NAN;
};
Summary summary(std::vector<double> v) {
  std::erase_if(v, [](double x) { return !std::isfinite(x); });
  if (v.empty()) return {};
  std::sort(v.begin(), v.end());
  const std::size_t n = v.size();
  return {n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2, v.front(), v.back()};
}

struct Result {
  Entrant entrant;
  double lr = NAN;
  std::size_t diverged = 0, runs = 0;
  std::vector<Run> tuned, final;  // at the best rate, one per seed: on validation, and on test
};

std::vector<double> collect(const std::vector<Run>& runs, double (*f)(const Run&)) {
  std::vector<double> v;
  for (const Run& r : runs) v.push_back(r.diverged ? NAN : f(r));
  return v;
}

std::string cell(const Summary& s, const char* pattern, double scale = 1) {
  if (!std::isfinite(s.median)) return "diverged";
  return concat(format(s.median * scale, pattern), " (", format(s.low * scale, pattern), "–",
                format(s.high * scale, pattern), ")");
}

std::vector<std::vector<std::string>> table_of(const std::vector<Result>& results,
                                               bool classification) {
  const std::string measure = classification ? "accuracy %" : "R²";
  const double scale = classification ? 100 : 1;
  const char* pattern = classification ? "%.1f" : "%.3f";
  const auto loss = [](const Result& r) {
    const double x =
        summary(collect(r.final, [](const Run& run) { return run.validation.loss; })).median;
    return std::isfinite(x) ? format(x, "%.3g") : std::string("-");
  };
  const auto seconds = [](const Result& r) {
    const double x = summary(collect(r.final, [](const Run& run) { return run.seconds; })).median;
    return std::isfinite(x) ? format(x, "%.3g") : std::string("-");
  };
  std::vector<std::vector<std::string>> rows{{"optimizer", "validation " + measure,
                                              "test " + measure, "test loss", "gradients",
                                              "seconds", "best lr", "diverged"}};
  for (const Result& r : results)
    rows.push_back(
        {r.entrant.name,
         cell(summary(collect(r.tuned, [](const Run& x) { return x.validation.accuracy; })),
              pattern, scale),
         cell(summary(collect(r.final, [](const Run& x) { return x.validation.accuracy; })),
              pattern, scale),
         loss(r), concat(r.final.empty() ? 0 : r.final[0].gradient_evaluations), seconds(r),
         std::isfinite(r.lr) ? format(r.lr, "%.3g") : "none", concat(r.diverged, "/", r.runs)});
  return rows;
}

/// "Rates tried: 0.03 0.1 0.3 1 3 for sgd; …"
std::string rates_note(const std::vector<Result>& results) {
  std::vector<std::pair<std::string, std::string>> lists;  // rates, and who had them
  for (const Result& r : results) {
    std::string rates;
    for (const double x : r.entrant.rates)
      rates += concat(rates.empty() ? "" : " ", format(x, "%.3g"));
    const auto same =
        std::find_if(lists.begin(), lists.end(), [&](const auto& l) { return l.first == rates; });
    if (same != lists.end())
      same->second += ", " + r.entrant.name;
    else
      lists.emplace_back(rates, r.entrant.name);
  }
  std::string note;
  for (const auto& [rates, names] : lists)
    note += concat(note.empty() ? "Rates tried: " : "; ", rates, " for ", names);
  return note + ".";
}

/// Which optimizers chose the first or last of their rates, where a better one may lie beyond.
std::string edge_note(const std::vector<Result>& results) {
  std::string names;
  for (const Result& r : results)
    if (r.entrant.rates.size() > 1 &&
        (r.lr == r.entrant.rates.front() || r.lr == r.entrant.rates.back()))
      names += (names.empty() ? "" : ", ") + r.entrant.name;
  return names.empty() ? ""
                       : "At the edge of the rates tried, so perhaps better beyond: " + names + ".";
}

std::string html_of(const Options& o, const std::vector<Result>& results, const data::Dataset& all,
                    const std::string& verdict) {
  const bool classification = all.is_classification();
  std::string s = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Optimizers compared</title>
<style>
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.verdict { font-size: 1.05rem; border-left: 4px solid #0072B2; padding: .2rem .8rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; white-space: nowrap; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 1rem; }
svg { width: 100%; height: auto; }
</style></head><body>
)";
  const auto escaped = [](const std::string& t) {
    std::string out;
    for (const char c : t)
      out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
    return out;
  };
  s += concat("<h1>Optimizers compared on ", escaped(all.name), "</h1>\n<p class=\"verdict\">",
              escaped(verdict), "</p>\n");
  s += "<h2>Results</h2>\n<div class=\"wide\"><table>\n";
  const auto rows = table_of(results, classification);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    s += "<tr>";
    for (const std::string& c : rows[r])
      s += concat(r == 0 ? "<th>" : "<td>", escaped(c), r == 0 ? "</th>" : "</td>");
    s += "</tr>\n";
  }
  s += concat("</table></div>\n<p>Median and range over ", o.seeds,
              o.seeds == 1 ? " seed" : " seeds",
              ". Each optimizer had as many learning rates to try (below); "
              "the best on "
              "validation data was trained again on training and validation data, and its last "
              "state tested. Same "
              "data, initial weights and order of batches for all. “gradients” counts gradient "
              "evaluations a "
              "run, of which SAM needs two a step; “diverged” counts runs that ended in NaN or "
              "infinity.</p>\n");
  s += concat("<p>", escaped(rates_note(results)), "</p>\n");
  if (const std::string edges = edge_note(results); !edges.empty())
    s += concat("<p>", escaped(edges), "</p>\n");
  Chart loss{"Training loss", "epoch", "loss", true, {}},
      score{classification ? "Test accuracy" : "Test R²",
            "epoch",
            classification ? "accuracy" : "R²",
            false,
            {}};
  Chart cost{"Training loss by cost", "gradient evaluations", "loss", true, {}};
  for (const Result& r : results) {
    Series a{r.entrant.name, {}, {}}, b = a, c = a;
    const std::size_t epochs = static_cast<std::size_t>(o.epochs);
    for (std::size_t e = 0; e < epochs; ++e) {
      std::vector<double> losses, scores;
      double evaluations = 0;
      for (const Run& run : r.final)
        if (e < run.epochs.size()) {
          losses.push_back(run.epochs[e].train.loss);
          scores.push_back(run.epochs[e].validation.accuracy);
          evaluations = static_cast<double>(run.gradient_evaluations) * static_cast<double>(e + 1) /
                        static_cast<double>(run.epochs.size());
        }
      const double x = static_cast<double>(e + 1);
      a.x.push_back(x), a.y.push_back(summary(losses).median);
      b.x.push_back(x), b.y.push_back(summary(scores).median);
      c.x.push_back(evaluations), c.y.push_back(summary(losses).median);
    }
    if (r.final.empty()) a.name = b.name = c.name = r.entrant.name + " (diverged)";
    loss.series.push_back(a), score.series.push_back(b), cost.series.push_back(c);
  }
  s += concat(
      "<h2>Learning curves</h2>\n<p>At each one's best learning rate; medians over "
      "seeds.</p>\n<div class=\"charts\">\n",
      svg(loss), svg(score), svg(cost), "</div>\n");
  s += "<h2>Settings</h2>\n<div class=\"wide\"><table>\n";
  for (const auto& [name, value] : listing(o, true))
    if (!value.empty()) s += concat("<tr><td>", name, "</td><td>", escaped(value), "</td></tr>\n");
  s += concat("<tr><td>samples</td><td>", all.size(), "</td></tr>\n<tr><td>features</td><td>",
              all.num_features(), "</td></tr>\n");
  return s + "</table></div>\n</body></html>\n";
}

std::string csv_of(const std::vector<Result>& results) {
  std::string s =
      "optimizer,seed,lr,diverged,test_loss,test_accuracy,gradient_evaluations,seconds\n";
  for (const Result& r : results)
    for (std::size_t i = 0; i < r.final.size(); ++i) {
      const Run& run = r.final[i];
      s += concat(r.entrant.name, ",", i + 1, ",", r.lr, ",", run.diverged ? 1 : 0, ",",
                  run.validation.loss, ",", run.validation.accuracy, ",", run.gradient_evaluations,
                  ",", format(run.seconds, "%.6f"), "\n");
    }
  return s;
}

std::string verdict_of(std::vector<Result> results, bool classification, int seeds) {
  const auto of = [](const Result& r) {
    return summary(collect(r.final, [](const Run& x) { return x.validation.accuracy; }));
  };
  std::erase_if(results, [&](const Result& r) { return !std::isfinite(of(r).median); });
  if (results.empty()) return "Every run diverged.";
  double top = -INFINITY;
  for (const Result& r : results) top = std::max(top, of(r).median);
  std::string names;
  double low = INFINITY;
  std::size_t first = 0, overlapping = 0;
  for (const Result& r : results)
    if (of(r).median == top) {
      ++first;
      low = std::min(low, of(r).low);
      names +=
          concat(names.empty() ? "" : ", ", r.entrant.name, " (lr ", format(r.lr, "%.3g"), ")");
    }
  for (const Result& r : results) overlapping += of(r).median != top && of(r).high >= low;
  std::string s =
      concat("Highest median test ", classification ? "accuracy" : "R²", ", ",
             format(top * (classification ? 100 : 1), classification ? "%.1f %%" : "%.3f"), ": ",
             names, ".");
  const std::size_t others = results.size() - first;
  if (others == 0) return s;
  if (seeds == 1) return s + " One seed says nothing about how far that is chance.";
  if (overlapping == 0) return s + " The lowest seed is above the highest of every other.";
  return concat(
      s, " Over the seeds the range overlaps with that of ",
      overlapping == others ? "every other" : concat(overlapping, " of the ", others, " others"),
      ", so from these it is not told apart.");
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
