// descent train: a table or data set becomes a model. The run is shown in the terminal, and its
// files go into a folder.
#include "commands/commands.h"
#include "page/run_report.h"
#include "run/console.h"
#include "run/interrupt.h"
#include "run/jobs.h"
#include "run/member.h"

#include <cmath>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

namespace app {

using namespace descent;

namespace {

const std::vector<const char*> kFiles{"settings.json", "metrics.csv", "model.safetensors",
                                      "report.html"};

/// settings.json: the options of the run, and a checksum of its samples. The text is put together
/// by hand, because a JSON library's objects end the program where memory is lacking.
std::string settings_of(const Options& o, const std::string& rule, const data::Dataset& d) {
  return to_text("{\n  ", json_of(o), ",\n  \"rule\": ", json_text(rule),
                 ",\n  \"samples\": ", json_text(checksum(d)), "\n}\n");
}

/// Writes metrics.csv, one line for each epoch of each network.
void save_metrics(const std::vector<Run>& runs, bool classes, const std::string& folder) {
  const char* measure = classes ? "accuracy" : "r2";
  std::string csv = to_text(runs.size() > 1 ? "network," : "", "epoch,lr,train_loss,train_",
                            measure, ",validation_loss,validation_", measure, ",seconds\n");
  for (std::size_t i = 0; i < runs.size(); ++i)
    for (const Epoch& e : runs[i].epochs)
      csv += to_text(runs.size() > 1 ? to_text(i + 1, ",") : "", e.epoch, ",", e.lr, ",",
                     e.train.loss, ",", e.train.accuracy, ",", e.validation.loss, ",",
                     e.validation.accuracy, ",", format(e.seconds, "%.6f"), "\n");
  write_file(folder + "/metrics.csv", csv);
}

/// What stands beside the progress bar after an epoch.
std::string note_of(const Epoch& e, bool classification) {
  return to_text("loss ", format(e.train.loss, "%.4f"), "  validation ",
                 format(e.validation.loss, "%.4f"), classification ? "  accuracy " : "  R² ",
                 format(e.validation.accuracy, "%.4f"));
}

bool exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

/// True if --resume has nothing to do: a run leaves its model and no checkpoints when it ends.
/// Throws UsageError if the model is of another run.
bool has_ended(const Options& o, const std::string& settings) {
  if (!exists(o.out + "/model.safetensors") || has_checkpoints(o)) return false;
  if (!exists(o.out + "/settings.json") || read_file(o.out + "/settings.json") != settings)
    fail<UsageError>("--resume", "got '", o.out,
                     "', which has the model of another run, expected that of a run with these "
                     "options. Hint: start anew without --resume");
  return true;
}

/// Throws UsageError if the options ask for files that would replace others.
void check_files(const Options& o) {
  std::vector<Output> outputs;
  if (!o.out.empty())
    for (const char* name : kFiles) outputs.push_back({"--out", to_text(o.out, "/", name)});
  if (!o.trace.empty()) outputs.push_back({"--trace", o.trace});
  for (const std::string& input : {o.data, o.test, o.config})
    if (!input.empty()) check_outputs(input, outputs);
  if (o.resume && o.out.empty())
    fail<UsageError>("--resume", "got no --out, expected the folder of the run");
  if (o.resume && !o.trace.empty() && exists(o.trace))
    fail<UsageError>("--trace", "got '", o.trace,
                     "', which exists, expected another file: --resume would replace the trace of "
                     "the first part of the run");
  if (!o.trace.empty() && o.ensemble > 1)
    fail<UsageError>("--trace", "got it with --ensemble, expected a run of one network");
}

/// The history of a run, ten epochs of it.
std::string history_of(const Run& run, const char* measure) {
  std::vector<std::vector<std::string>> rows{{"epoch", "lr", "train loss",
                                              to_text("train ", measure), "validation loss",
                                              to_text("validation ", measure)}};
  const std::size_t every = std::max<std::size_t>(1, (run.epochs.size() + 9) / 10);
  for (std::size_t i = 0; i < run.epochs.size(); ++i)
    if ((i + 1) % every == 0 || i + 1 == run.epochs.size()) {
      const Epoch& e = run.epochs[i];
      rows.push_back({to_text(e.epoch), format(e.lr, "%.3g"), format(e.train.loss, "%.4f"),
                      format(e.train.accuracy, "%.4f"), format(e.validation.loss, "%.4f"),
                      format(e.validation.accuracy, "%.4f")});
    }
  return table(rows);
}

/// What the networks of an ensemble reach, each alone.
std::string members_of(const std::vector<Run>& runs, const char* measure) {
  std::vector<std::vector<std::string>> rows{
      {"network", "epochs", "epoch kept", "validation loss", to_text("validation ", measure)}};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Run& run = runs[i];
    const bool ended = !run.epochs.empty() && !run.diverged;
    rows.push_back({to_text(i + 1), to_text(run.epochs.size()),
                    !ended               ? "–"
                    : run.best_epoch > 0 ? to_text(run.best_epoch)
                                         : to_text(run.epochs.size()),
                    ended ? format(run.validation.loss, "%.4f") : "–",
                    ended ? format(run.validation.accuracy, "%.4f") : "–"});
  }
  return table(rows);
}

/// Cross-validation: each fold is predicted by a model that was trained on the others. Returns a
/// table with the measures of each fold, and of all rows together.
std::string cross_validate(const Options& o, const Learnable& from) {
  const std::vector<Tensor> folds = from.labels.defined()
                                        ? data::fold_rows(from.labels, o.cv, o.seed)
                                        : data::fold_rows(from.table.rows(), o.cv, o.seed);
  std::vector<Tensor> predicted(folds.size()), truth(folds.size());
  data::Schema schema;
  run_jobs(
      folds.size(),
      [&](std::size_t f) {
        std::vector<Tensor> others;
        for (std::size_t i = 0; i < folds.size(); ++i)
          if (i != f) others.push_back(folds[i]);
        const Prepared data = [&] {
          try {
            return prepare_rows(o, from, part_rows(from, cat(others), 1 - o.validation, o.seed));
          } catch (const Error& e) {
            fail<FileError>("--cv", "fold ", f + 1, ": ", e.what(),
                            ". Hint: fewer folds leave more rows for each");
          }
        }();
        TableModel model = untrained_model(o, data);
        for (int i = 0; i < o.ensemble; ++i) {
          Member member(o, data, i, "");
          const Run& run = member.run({});
          if (run.diverged) fail<NonFiniteError>("train", run.failure);
          model.nets.push_back(member.net());
        }
        predicted[f] = model.predict(data.all.x.index_select(0, folds[f]));
        truth[f] = data.schema.truth(from.table).index_select(0, folds[f]);
        if (f == 0) schema = data.schema;
      },
      [](std::size_t f) { return to_text("fold ", f + 1); }, interrupted);
  if (interrupted()) throw Interrupted{};
  std::vector<std::vector<std::string>> rows{{"fold", "rows"}};
  const auto add = [&](const std::string& name, const Tensor& p, const Tensor& y) {
    for (const Evaluation& e : evaluations_of(schema, p, y)) {
      rows.push_back({schema.more_targets.empty() ? name : to_text(name, " ", e.target.name),
                      to_text(y.size(0))});
      // Accuracy, AUC and log loss; R², RMSE and MAE.
      for (const std::size_t m : e.target.classes.empty() ? std::vector<std::size_t>{0, 1, 2}
                                                          : std::vector<std::size_t>{0, 3, 4}) {
        const nn::Measure& one = e.measures[m];
        if (rows.size() == 2) rows[0].push_back(one.name == "R2" ? "R²" : one.name);
        rows.back().push_back(to_text(number_text(one.value, "%.4g"), " (",
                                      number_text(one.low, "%.3g"), " to ",
                                      number_text(one.high, "%.3g"), ")"));
      }
    }
  };
  for (std::size_t f = 0; f < folds.size(); ++f) add(to_text(f + 1), predicted[f], truth[f]);
  add("all", cat(predicted), cat(truth));
  return to_text("Cross-validation, with 95 % intervals\n\n", table(rows), "\n");
}

/// A hint if the networks learned nothing.
std::string hint_of(const Options& o, const std::vector<Evaluation>& all) {
  if (!o.weight.empty() || o.class_weights != "none") return "";  // these change what is learned
  const Evaluation& e = all[0];
  bool nothing = false;
  if (e.commonest.empty()) {
    nothing = std::all_of(all.begin(), all.end(),
                          [](const Evaluation& one) { return one.measures[0].value <= 0; });
  } else {
    std::vector<double> share(static_cast<std::size_t>(e.predicted.size(1)));
    for (const std::int64_t y : e.truth.to_vector<std::int64_t>())
      share[static_cast<std::size_t>(y)] += 1.0 / static_cast<double>(e.truth.numel());
    double entropy = 0;
    for (const double p : share) entropy -= p > 0 ? p * std::log(p) : 0;
    nothing = e.measures[4].value >= entropy;
  }
  if (!nothing) return "";
  return to_text("This is no better than ",
                 e.commonest.empty() ? "always predicting the mean"
                                     : "always predicting how frequent the classes are",
                 ". Hint: ", o.lr > 0.01 ? "a lower --lr, " : "",
                 "--patience 20, --preset tabular, or other columns\n");
}

/// The epoch with the lowest validation loss.
const Epoch& best_of(const Run& run) {
  return *std::min_element(
      run.epochs.begin(), run.epochs.end(),
      [](const Epoch& a, const Epoch& b) { return a.validation.loss < b.validation.loss; });
}

/// What a person should know of how the run ended.
std::string ending_of(const Options& o, const std::vector<Run>& runs, const char* measure) {
  const Run& run = runs[0];
  std::string text;
  if (run.out_of_time)
    text += to_text("the time is over: the run ended before all epochs",
                    o.swa > 0 && !run.averaged ? ", and before an average of weights" : "", "\n");
  if (runs.size() > 1) return text;
  if (run.best_epoch > 0) text += to_text("the weights are those of epoch ", run.best_epoch, "\n");
  if (const Epoch& best = best_of(run);
      o.patience == 0 && best.validation.loss < 0.99 * run.validation.loss)
    text +=
        to_text("the weights are those of the last epoch; epoch ", best.epoch,
                " had validation loss ", format(best.validation.loss, "%.4f"), ", ", measure, " ",
                format(best.validation.accuracy, "%.4f"), ". Hint: --patience 20 keeps the best\n");
  return text;
}

/// Trains the networks: one with a progress bar over its epochs, several side by side.
void run_all(const Options& o, std::vector<std::unique_ptr<Member>>& members, bool classes) {
  if (members.size() == 1) {
    Progress progress(static_cast<std::size_t>(o.epochs));
    members[0]->run([&](const Epoch& e) {
      progress.update(static_cast<std::size_t>(e.epoch), note_of(e, classes));
    });
    return;
  }
  run_jobs(
      members.size(), [&](std::size_t i) { members[i]->run({}); },
      [](std::size_t i) { return to_text("network ", i + 1); }, interrupted);
  if (interrupted()) throw Interrupted{};
}

/// Prints the measures on rows that took no part in training.
void print_measures(const std::string& title, const std::vector<Evaluation>& all) {
  std::cout << "\n" << title << "\n\n" << text_of(all);
}

}  // namespace

int train(const Options& o) {
  check_files(o);
  catch_interrupts();
  use_threads(o.threads);
  Options share = o;  // of the time, for one network: networks run side by side, folds before them
  const int threads = num_threads(), folds = (o.cv + threads - 1) / threads,
            networks = (o.ensemble + threads - 1) / threads;
  share.time_limit = o.time_limit / (folds * o.ensemble + networks);
  const Learnable from = read_learnable(o);
  const Prepared data = prepare_rows(o, from, part_rows(from, {}, 1 - o.validation, o.seed));
  const data::Dataset& all = data.all;
  const bool classes = all.is_classification();
  const char* measure = classes ? "accuracy" : "R²";
  const data::Table test = o.test.empty() ? data::Table() : data.schema.read(o.test);
  if (!o.test.empty()) data.schema.targets(test);  // throws now if at all
  std::vector<std::unique_ptr<Member>> members;
  for (int i = 0; i < o.ensemble; ++i)
    members.push_back(std::make_unique<Member>(share, data, i, folder_of_member(o, i)));
  const std::string rule = members[0]->rule();
  TableModel model = untrained_model(o, data);
  if (!o.out.empty()) model.description();  // throws now if at all
  const std::string settings = settings_of(o, rule, all);
  if (o.resume && has_ended(o, settings)) {
    std::cout << "the run in " << o.out << " has ended: there is nothing to go on with\n";
    return kOk;
  }
  if (!o.resume && !o.force && !o.out.empty() && exists(o.out + "/model.safetensors"))
    fail<UsageError>("--out", "got '", o.out,
                     "', which has the model of an earlier run, expected another folder. Hint: "
                     "--force replaces that model");
  if (!o.out.empty()) open_folder(o);
  std::cout << from.summary;
  for (const std::string& column : data.schema.left_out)
    if (!from.summary.empty()) std::cout << "left out: " << column << "\n";
  std::vector<std::string> targets;
  for (const data::Target& t : data.schema.all_targets()) targets.push_back(t.name);
  if (!from.summary.empty())
    std::cout << (targets.size() > 1 ? "targets: " : "target: ") << joined(targets) << "\n\n";
  std::cout << all.name << ": " << data.train.size() << " samples to train, "
            << data.validation.size() << " to validate, " << counted(all.num_features(), "feature")
            << (classes ? to_text(", ", all.num_classes(), " classes") : std::string()) << "\n"
            << members[0]->net().summary() << rule << "\n\n";
  std::vector<Run> runs;
  std::string folds_text;
  try {
    if (o.cv > 0) folds_text = cross_validate(share, from);
    std::cout << folds_text;
    run_all(o, members, classes);
  } catch (const Interrupted&) {
    std::cerr << "interrupted"
              << (o.out.empty() ? ". Nothing was saved: there is no --out"
                                : ". To go on: the same command with --resume")
              << "\n";
    return kInterrupted;
  }
  std::string failure;
  for (const auto& member : members) {
    runs.push_back(member->result());
    if (runs.back().diverged) failure = runs.back().failure;
  }
  std::cout << (runs.size() == 1 ? history_of(runs[0], measure) : members_of(runs, measure));
  const auto save = [&] {
    write_file(o.out + "/settings.json", settings);
    save_metrics(runs, classes, o.out);
  };
  if (!failure.empty()) {
    std::cerr << failure << "\n";
    if (o.out.empty()) return kTrainingFailed;
    // The files of a folder belong to one run.
    if (exists(o.out + "/model.safetensors"))
      std::cerr << "the files of an earlier run in " << o.out << " stay as they were\n";
    else
      save();
    clear_checkpoints(o, members);
    return kTrainingFailed;
  }
  double seconds = 0;
  std::int64_t evaluations = 0;
  for (const Run& run : runs) seconds += run.seconds, evaluations += run.gradient_evaluations;
  for (const auto& member : members) model.nets.push_back(member->net());
  const std::vector<Evaluation> validation =
      evaluations_of(data.schema, model.predict(data.validation.x),
                     data.schema.truth(from.table).index_select(0, data.rows.validation));
  model.notes = notes_of(o, rule, data, runs, validation);
  if (runs.size() == 1)
    std::cout << "\nvalidation loss " << format(runs[0].validation.loss, "%.4f") << ", " << measure
              << " " << format(runs[0].validation.accuracy, "%.4f")
              << (runs[0].averaged ? " (averaged weights)" : "") << "; ";
  else
    std::cout << "\n";
  std::cout << counted(evaluations, "gradient evaluation") << " in " << duration(seconds) << "\n"
            << ending_of(o, runs, measure);
  print_measures("On the rows for validation:", validation);
  std::vector<Evaluation> tested;
  if (!o.test.empty()) {
    tested = evaluations_of(data.schema, model.predict(test), data.schema.truth(test));
    print_measures(to_text("On ", o.test, ":"), tested);
  }
  std::cout << hint_of(o, validation);
  if (o.out.empty()) return kOk;
  save();
  model.save(o.out + "/model.safetensors", data.validation.x);
  write_file(o.out + "/report.html",
             html_of(o, {model, data, from, runs, validation, tested, folds_text}));
  clear_checkpoints(o, members);
  std::cout << "\n" << joined(kFiles) << " are in " << o.out << "\n";
  return kOk;
}

namespace {

std::function<int()> add(CLI::App& app) {
  const auto o = std::make_shared<Options>(default_options(false));
  add_options(app, *o, false);
  return [o] { return train(*o); };
}

}  // namespace

const Command kTrain{"train", "Train a network on a data set", add};

}  // namespace app
