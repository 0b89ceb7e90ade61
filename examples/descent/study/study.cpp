#include "study/study.h"

#include "run/interrupt.h"
#include "run/jobs.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

namespace app {

using namespace descent;

namespace {

constexpr double kLeastSearch = 0.3;                // the search's least share of the time limit
constexpr std::int64_t kMostParts = 256;            // of the test, see Outcome::parts
const std::vector<double> kSweep{0.1, 0.3, 3, 10};  // factors of the chosen rate

/// A run that is to be made: a contest (data set), an optimizer, its settings and a seed. `tested`
/// says whether the run is scored on test data. The entrant behind the last one is the linear
/// model.
struct Job {
  std::size_t contest, entrant;
  Settings settings;
  std::uint64_t seed;
  bool tested;
};

/// Runs jobs and puts their results into the records.
class Runner {
 public:
  Runner(const Options& o, const std::vector<Entrant>& entrants, const std::vector<Source>& sources,
         Records& records, const std::function<bool()>& interrupted)
      : o_(o),
        entrants_(entrants),
        sources_(sources),
        records_(records),
        interrupted_(interrupted),
        start_(std::chrono::steady_clock::now()) {}

  /// Runs the jobs that the records do not hold yet. If there is a time limit, leaves time for
  /// `later` more runs, as long as those so far. Returns false if a job was not finished.
  bool run(const std::string& phase, const std::vector<Job>& jobs, std::size_t later) {
    std::vector<Job> left;
    for (const Job& j : jobs)
      if (records_.find(key(j)) == nullptr) left.push_back(j);
    const double begin = seconds();
    std::atomic<std::size_t> finished{0};
    const auto over = [&] {
      if (interrupted_()) return true;
      if (o_.time_limit <= 0) return false;
      const double for_a_run =
          (seconds() - begin) / static_cast<double>(std::max<std::size_t>(finished, 1));
      const double reserved = std::min(1.2 * for_a_run * static_cast<double>(later),
                                       (1 - kLeastSearch) * o_.time_limit);
      return seconds() > o_.time_limit - (later > 0 ? reserved : 0);
    };
    std::atomic<std::size_t> missing{left.size()};
    run_jobs(
        left.size(),
        [&](std::size_t i) {
          try {
            records_.put(key(left[i]), outcome(left[i], over));
            --missing, ++finished;
          } catch (const Interrupted&) {  // a stopped run leaves no record
          }
        },
        [&](std::size_t i) { return to_text(phase, "  ", name_of(left[i])); }, over);
    return missing == 0;
  }

  /// How many of the jobs are in the records.
  std::size_t done(const std::vector<Job>& jobs) const {
    return static_cast<std::size_t>(std::count_if(
        jobs.begin(), jobs.end(), [&](const Job& j) { return records_.find(key(j)) != nullptr; }));
  }

  /// The runs of some settings, one for each seed. Empty if the records lack any of these runs.
  std::vector<Outcome> outcomes(std::size_t contest, std::size_t entrant, const Settings& settings,
                                const std::vector<std::uint64_t>& seeds,
                                bool tested = false) const {
    std::vector<Outcome> all;
    for (const std::uint64_t seed : seeds) {
      const Outcome* r = records_.find(key({contest, entrant, settings, seed, tested}));
      if (r == nullptr) return {};
      all.push_back(*r);
    }
    return all;
  }

  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  bool is_linear(const Job& j) const { return j.entrant == entrants_.size(); }
  std::string name_of(const Job& j) const {
    return is_linear(j) ? name_of_linear(sources_[j.contest].set.is_classification())
                        : entrants_[j.entrant].name;
  }
  std::string key(const Job& j) const {
    const std::string settings = to_string(j.settings);
    return to_text(sources_[j.contest].set.name, " | ", name_of(j), " | ",
                   settings.empty() ? "" : settings + " | ", j.tested ? "tested, " : "", "seed ",
                   std::to_string(j.seed));
  }

  Outcome outcome(const Job& j, const std::function<bool()>& over) const {
    const Source& source = sources_[j.contest];
    Options own = is_linear(j) ? linear_options(j.seed)
                               : options_for(o_, entrants_[j.entrant], j.settings, j.seed);
    own.data = source.data;  // --standardize auto depends on this name
    const Held held = held_rows(o_, source);
    const Prepared data = prepare_rows(
        own, source.from, part_rows(source.from, held.rest, 1 - o_.validation, j.seed));
    if (is_linear(j)) own.batch = data.train.size();
    manual_seed(j.seed);
    nn::Sequential model = make_model(own, data.all, data.schema);
    const Run run = Training(own, model, data.train, data.validation).trainer.run({.batch = [&] {
      if (over()) throw Interrupted{};
    }});
    Outcome r;
    r.diverged = run.diverged;
    r.validation = run.validation;
    r.gradient_evaluations = run.gradient_evaluations;
    r.seconds = run.seconds;
    r.tested = j.tested;
    if (!j.tested) return r;
    if (!run.diverged) {
      const data::Dataset test = data.all.subset(held.test);
      r.test = evaluate(model, test);
      r.parts = parts_of(model, test);
    }
    for (const Epoch& e : run.epochs) {
      r.loss.push_back(e.validation.loss);
      r.score.push_back(e.validation.accuracy);
    }
    return r;
  }

  /// A linear model, trained by full gradients until its validation loss stops falling.
  Options linear_options(std::uint64_t seed) const {
    Options own;
    own.hidden = {0};
    own.standardize = o_.standardize;
    own.optimizer = "lbfgs";
    own.seed = seed;
    own.epochs = 30;
    own.patience = 3;
    return own;
  }

  /// The test in parts, for comparisons by samples: the share that is right, or −(error²)/variance.
  static std::vector<double> parts_of(nn::Sequential& model, const data::Dataset& test) {
    const NoGradGuard guard;
    model.eval();
    const Tensor y = model(test.x);
    const Tensor each = test.is_classification() ? eq(argmax(y, 1), test.y).to(kFloat64)
                                                 : -mean(square(y - test.y).to(kFloat64), {1}) /
                                                       var(test.y.to(kFloat64), {}, 0);
    const std::int64_t n = test.size(), parts = std::min(n, kMostParts);
    std::vector<double> means;
    for (std::int64_t p = 0; p < parts; ++p)
      means.push_back(each.slice(0, p * n / parts, (p + 1) * n / parts).mean().item());
    return means;
  }

  const Options& o_;
  const std::vector<Entrant>& entrants_;
  const std::vector<Source>& sources_;
  Records& records_;
  const std::function<bool()>& interrupted_;
  std::chrono::steady_clock::time_point start_;
};

std::vector<std::uint64_t> seeds_from(std::uint64_t first, int n) {
  std::vector<std::uint64_t> seeds;
  for (int i = 0; i < n; ++i) seeds.push_back(first + static_cast<std::uint64_t>(i));
  return seeds;
}

/// The share of the commonest class among the labels y (N).
double commonest_share(const Tensor& y) {
  std::map<double, std::int64_t> counts;
  std::int64_t most = 0;
  for (const double c : y.to_vector<double>()) most = std::max(most, ++counts[c]);
  return static_cast<double>(most) / static_cast<double>(y.numel());
}

}  // namespace

bool better(const Tried& a, const Tried& b) {
  const auto mean = [](const Tried& t, bool loss) {
    double sum = 0;
    for (const Outcome& r : t.runs)
      sum += r.diverged ? -INFINITY : loss ? -r.validation.loss : r.validation.accuracy;
    return sum;
  };
  return mean(a, false) != mean(b, false) ? mean(a, false) > mean(b, false)
                                          : mean(a, true) > mean(b, true);
}

std::size_t Contender::diverged() const {
  std::size_t n = 0;
  for (const Tried& t : trials)
    for (const Outcome& r : t.runs) n += r.diverged;
  return n;
}

Settings Contender::chosen() const {
  Settings all = tuned.settings;
  all.insert(all.end(), entrant.given.begin(), entrant.given.end());
  return all;
}

Held held_rows(const Options& o, const Source& source) {
  const Rows rows = part_rows(source.from, {}, 1 - o.validation, o.seed);
  return {rows.train, rows.validation};
}

Options recipe_of(const Options& o, const Source& source, const Contender& who) {
  Options own = options_for(o, who.entrant, who.tuned.settings, o.seed);
  own.data = source.data;
  own.resume = false;
  own.time_limit = 0;
  own.own_patience = true;
  return own;
}

std::vector<Source> load_all(const Options& o) {
  std::vector<Source> sources;
  const std::vector<std::string> names =
      std::filesystem::exists(o.data) ? std::vector<std::string>{o.data} : split_list(o.data);
  for (const std::string& name : names) {
    Options own = o;
    own.data = name;
    Source& source = sources.emplace_back(Source{name, read_learnable(own), {}, {}});
    source.schema = data::Schema::fit(source.from.table, source.from.options);
    source.set = source.schema.dataset(source.from.table);
    const data::Dataset& set = source.set;
    for (std::size_t i = 0; i + 1 < sources.size(); ++i)
      if (sources[i].set.name == set.name)
        fail<UsageError>("--data", "got '", set.name,
                         "' twice, expected different names. Hint: rename one of the files");
  }
  return sources;
}

nlohmann::ordered_json identity_of(const Options& o, const std::vector<Source>& sources) {
  nlohmann::ordered_json identity{{"protocol", 3}};
  for (const auto& [name, value, is_text, parts] : listing(o, true))
    if (name != "optimizers" && name != "budget" && name != "seeds" && name != "time_limit")
      identity[name] = value;
  for (const Source& s : sources) identity[to_text("samples of ", s.set.name)] = checksum(s.set);
  return identity;
}

namespace {

/// The runs of the search, round after round. In each round every optimizer has one trial. If the
/// search is cut short, all optimizers have therefore had equally many trials.
std::vector<Job> search_jobs(const std::vector<Entrant>& entrants, std::size_t contests,
                             std::size_t budget, const std::vector<std::uint64_t>& seeds) {
  std::vector<Job> jobs;
  for (std::size_t t = 0; t < budget; ++t)
    for (const std::uint64_t seed : seeds)
      for (std::size_t d = 0; d < contests; ++d)
        for (std::size_t e = 0; e < entrants.size(); ++e)
          if (t < entrants[e].trials(budget))
            jobs.push_back({d, e, entrants[e].trial(t), seed, false});
  return jobs;
}

/// The runs of the linear model.
std::vector<Job> linear_jobs(std::size_t contests, std::size_t entrants,
                             const std::vector<std::uint64_t>& seeds) {
  std::vector<Job> jobs;
  for (const std::uint64_t seed : seeds)
    for (std::size_t d = 0; d < contests; ++d) jobs.push_back({d, entrants, {}, seed, true});
  return jobs;
}

/// The runs of the test: the chosen settings and the default settings. If the chosen settings are
/// the default settings, they run once.
std::vector<Job> final_jobs(const Study& study, const std::vector<std::uint64_t>& seeds) {
  std::vector<Job> jobs;
  for (const std::uint64_t seed : seeds)
    for (const bool tuned : {true, false})
      for (std::size_t d = 0; d < study.contests.size(); ++d)
        for (std::size_t e = 0; e < study.contests[d].contenders.size(); ++e) {
          const Contender& who = study.contests[d].contenders[e];
          if (tuned || who.defaults.settings != who.tuned.settings)
            jobs.push_back({d, e, tuned ? who.tuned.settings : who.defaults.settings, seed, true});
        }
  return jobs;
}

/// The runs of the chosen settings at other learning rates.
std::vector<Job> sweep_jobs(const Study& study, const std::vector<std::uint64_t>& seeds) {
  std::vector<Job> jobs;
  for (std::size_t d = 0; d < study.contests.size(); ++d)
    for (std::size_t e = 0; e < study.contests[d].contenders.size(); ++e)
      for (const Tried& other : study.contests[d].contenders[e].sweep)
        for (const std::uint64_t seed : seeds) jobs.push_back({d, e, other.settings, seed, false});
  return jobs;
}

/// The same settings at other learning rates. Empty if the learning rate is not searched.
std::vector<Tried> at_other_rates(const Settings& settings) {
  std::vector<Tried> all;
  for (const double factor : kSweep) {
    Tried other{settings, {}};
    for (auto& [name, value] : other.settings)
      if (name == "lr") value = *parse_number(format(value * factor, "%.3g"));
    if (other.settings != settings) all.push_back(other);
  }
  return all;
}

/// Collects the results of the search. Only the rounds that every contender completed count.
Contest after_search(const Runner& runner, const std::vector<Entrant>& entrants, std::size_t d,
                     std::size_t budget, const std::vector<std::uint64_t>& seeds) {
  Contest c;
  const auto done = [&](std::size_t round) {
    for (std::size_t e = 0; e < entrants.size(); ++e)
      if (round < entrants[e].trials(budget) &&
          runner.outcomes(d, e, entrants[e].trial(round), seeds).empty())
        return false;
    return true;
  };
  std::size_t rounds = 0;
  while (rounds < budget && done(rounds)) ++rounds;
  for (std::size_t e = 0; e < entrants.size(); ++e) {
    Contender& who = c.contenders.emplace_back();
    who.entrant = entrants[e];
    for (std::size_t t = 0; t < std::min(rounds, entrants[e].trials(budget)); ++t) {
      const Settings settings = entrants[e].trial(t);
      who.trials.push_back({settings, runner.outcomes(d, e, settings, seeds)});
      if (better(who.trials[t], who.trials[who.best])) who.best = t;
    }
    who.defaults.settings = entrants[e].defaults;
    who.tuned.settings = who.trials.empty() ? entrants[e].defaults : who.trials[who.best].settings;
    who.sweep = at_other_rates(who.tuned.settings);
  }
  return c;
}

/// Adds the runs of the sweep and of the test. Of the test, only seeds that every contender
/// completed count.
void add_finals(const Runner& runner, std::size_t d, const std::vector<std::uint64_t>& fresh,
                const std::vector<std::uint64_t>& tuning, std::vector<Contender>& all) {
  std::vector<std::uint64_t> done;
  for (const std::uint64_t seed : fresh) {
    bool whole = true;
    for (std::size_t e = 0; e < all.size(); ++e)
      whole = whole && !runner.outcomes(d, e, all[e].tuned.settings, {seed}, true).empty() &&
              !runner.outcomes(d, e, all[e].defaults.settings, {seed}, true).empty();
    if (whole) done.push_back(seed);
  }
  for (std::size_t e = 0; e < all.size(); ++e) {
    all[e].tuned.runs = runner.outcomes(d, e, all[e].tuned.settings, done, true);
    all[e].defaults.runs = runner.outcomes(d, e, all[e].defaults.settings, done, true);
    for (Tried& t : all[e].sweep) t.runs = runner.outcomes(d, e, t.settings, tuning);
    std::erase_if(all[e].sweep, [](const Tried& t) { return t.runs.empty(); });
  }
}

}  // namespace

Study run_study(const Options& o, const std::vector<Entrant>& entrants,
                const std::vector<Source>& sources, Records& records,
                const std::function<bool()>& interrupted) {
  Runner runner(o, entrants, sources, records, interrupted);
  const std::vector<std::uint64_t> tuning = seeds_from(o.seed + kFirstTuningSeed, kTuningSeeds),
                                   fresh = seeds_from(o.seed, o.seeds);
  const auto budget = static_cast<std::size_t>(o.budget);
  Study study;
  const auto phase = [&](const char* name, const std::vector<Job>& jobs, std::size_t later) {
    const bool whole = runner.run(name, jobs, later);
    study.runs += runner.done(jobs);
    return whole;
  };

  const std::size_t later =
      sources.size() * entrants.size() * (2 * fresh.size() + kSweep.size() * tuning.size());
  bool complete = phase("linear models", linear_jobs(sources.size(), entrants.size(), fresh), 0);
  complete = (phase("searching", search_jobs(entrants, sources.size(), budget, tuning), later) ||
              (o.search_on && !interrupted())) &&
             complete;
  for (std::size_t d = 0; d < sources.size(); ++d) {
    const data::Dataset& set = sources[d].set;
    Contest& c = study.contests.emplace_back(after_search(runner, entrants, d, budget, tuning));
    c.name = set.name, c.classification = set.is_classification();
    c.classes = c.classification ? set.num_classes() : 0;
    c.samples = set.size(), c.features = set.num_features();
    const data::Dataset test = set.subset(held_rows(o, sources[d]).test);
    c.tested = test.size(), c.commonest = c.classification ? commonest_share(test.y) : 0;
    for (const std::uint64_t seed : fresh)
      for (const Outcome& r : runner.outcomes(d, entrants.size(), {}, {seed}, true))
        c.linear.runs.push_back(r);
  }
  complete = phase("testing", final_jobs(study, fresh), 0) && complete;
  complete = phase("sweeping rates", sweep_jobs(study, tuning), 0) && complete;
  for (std::size_t d = 0; d < sources.size(); ++d)
    add_finals(runner, d, fresh, tuning, study.contests[d].contenders);
  if (!complete) study.state = interrupted() ? "interrupted" : "out of time";
  study.seconds = runner.seconds();
  return study;
}

}  // namespace app
