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
          if (run.diverged) fail<NonFiniteError>("train", failure_of(run));
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
                 o.patience == 0 ? "--patience 20, " : "",
                 o.preset.empty() ? "--preset tabular, or " : "", "other columns\n");
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

/// The options of each network: it has a share of the time. Networks run side by side, and the
/// folds of a cross-validation run before them.
Options with_share_of_time(Options o) {
  const int threads = num_threads(), folds = (o.cv + threads - 1) / threads,
            networks = (o.ensemble + threads - 1) / threads;
  o.time_limit /= folds * o.ensemble + networks;
  return o;
}

/// A run of `train`: its data, its networks, and what came of them.
class Session {
 public:
  /// Reads and checks everything, so that a mistake shows before a file is written.
  explicit Session(const Options& o)
      : o_(o),
        own_(with_share_of_time(o)),
        from_(read_learnable(o)),
        data_(prepare_rows(o, from_, part_rows(from_, {}, 1 - o.validation, o.seed))),
        classes_(data_.all.is_classification()),
        measure_(classes_ ? "accuracy" : "R²"),
        model_(untrained_model(o, data_)) {
    if (!o_.test.empty()) {
      test_ = data_.schema.read(o_.test);
      data_.schema.targets(test_);  // throws now if at all
    }
    for (int i = 0; i < o_.ensemble; ++i)
      members_.push_back(std::make_unique<Member>(own_, data_, i, folder_of_member(o_, i)));
    settings_ = settings_of(o_, members_[0]->rule(), data_.all);
    if (!o_.out.empty()) model_.description();  // throws now if at all
  }

  int run() {
    if (o_.resume && has_ended(o_, settings_)) {
      std::cout << "the run in " << o_.out << " has ended: there is nothing to go on with\n";
      return kOk;
    }
    if (!o_.resume && !o_.force && !o_.out.empty() && exists(o_.out + "/model.safetensors"))
      fail<UsageError>("--out", "got '", o_.out,
                       "', which has the model of an earlier run, expected another folder. Hint: "
                       "--force replaces that model");
    if (!o_.out.empty()) open_folder(o_);
    announce();
    try {
      if (o_.cv > 0) folds_ = cross_validate(own_, from_);
      std::cout << folds_;
      run_all(o_, members_, classes_);
    } catch (const Interrupted&) {
      std::cerr << "interrupted"
                << (o_.out.empty() ? ". Nothing was saved: there is no --out"
                                   : ". To go on: the same command with --resume")
                << "\n";
      return kInterrupted;
    }
    for (const auto& member : members_) runs_.push_back(member->result());
    std::cout << (runs_.size() == 1 ? history_of(runs_[0], measure_) : members_of(runs_, measure_));
    for (const Run& run : runs_)
      if (run.diverged) return give_up(failure_of(run));
    measure();
    if (o_.out.empty())
      std::cout << "\nnothing was saved. Hint: --out FOLDER keeps the model\n";
    else
      save();
    return kOk;
  }

 private:
  /// Says how the columns were read, and what will be trained on how many rows.
  void announce() {
    std::vector<std::string> targets;
    for (const data::Target& t : data_.schema.all_targets()) targets.push_back(t.name);
    std::string text = from_.summary;
    if (!text.empty()) {
      for (const std::string& column : data_.schema.left_out) text += "left out: " + column + "\n";
      text += to_text(targets.size() > 1 ? "targets: " : "target: ", joined(targets), "\n\n");
    }
    const data::Dataset& all = data_.all;
    std::cout << text << all.name << ": " << data_.train.size() << " samples to train, "
              << data_.validation.size() << " to validate, "
              << counted(all.num_features(), "feature")
              << (classes_ ? to_text(", ", all.num_classes(), " classes") : std::string()) << "\n"
              << members_[0]->net().summary() << members_[0]->rule() << "\n\n";
  }

  /// After a run that diverged. The files of a folder belong to one run.
  int give_up(const std::string& failure) {
    std::cerr << failure << "\n";
    if (o_.out.empty()) return kTrainingFailed;
    if (exists(o_.out + "/model.safetensors"))
      std::cerr << "the files of an earlier run in " << o_.out << " stay as they were\n";
    else
      save_history();
    clear_checkpoints(o_, members_);
    return kTrainingFailed;
  }

  /// Puts the networks into the model, and says how good it is.
  void measure() {
    double seconds = 0;
    std::int64_t evaluations = 0;
    for (const Run& run : runs_) seconds += run.seconds, evaluations += run.gradient_evaluations;
    for (const auto& member : members_) model_.nets.push_back(member->net());
    validation_ =
        evaluations_of(data_.schema, model_.predict(data_.validation.x),
                       data_.schema.truth(from_.table).index_select(0, data_.rows.validation));
    model_.notes = notes_of(o_, members_[0]->rule(), data_, runs_, validation_);
    std::cout << "\n";
    if (runs_.size() == 1)
      std::cout << "validation loss " << format(runs_[0].validation.loss, "%.4f") << ", "
                << measure_ << " " << format(runs_[0].validation.accuracy, "%.4f")
                << (runs_[0].averaged ? " (averaged weights)" : "") << "; ";
    std::cout << counted(evaluations, "gradient evaluation") << " in " << duration(seconds) << "\n"
              << ending_of(o_, runs_, measure_) << "\nOn the rows for validation:\n\n"
              << text_of(validation_);
    if (!o_.test.empty()) {
      tested_ = evaluations_of(data_.schema, model_.predict(test_), data_.schema.truth(test_));
      std::cout << "\nOn " << o_.test << ":\n\n" << text_of(tested_);
    }
    std::cout << hint_of(o_, validation_);
  }

  void save_history() {
    write_file(o_.out + "/settings.json", settings_);
    save_metrics(runs_, classes_, o_.out);
  }
  void save() {
    save_history();
    model_.save(o_.out + "/model.safetensors", data_.validation.x);
    write_file(o_.out + "/report.html",
               html_of(o_, {model_, data_, from_, runs_, validation_, tested_, folds_}));
    clear_checkpoints(o_, members_);
    std::cout << "\n" << joined(kFiles) << " are in " << o_.out << "\n";
  }

  const Options& o_;
  const Options own_;
  const Learnable from_;
  const Prepared data_;
  const bool classes_;
  const char* measure_;
  TableModel model_;
  data::Table test_;
  std::vector<std::unique_ptr<Member>> members_;
  std::vector<Run> runs_;  // of the members
  std::vector<Evaluation> validation_, tested_;
  std::string settings_, folds_;
};

}  // namespace

int train(const Options& o) {
  check_files(o);
  catch_interrupts();
  use_threads(o.threads);
  return Session(o).run();
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
