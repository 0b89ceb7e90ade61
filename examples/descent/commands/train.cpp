// descent train: one training run, its table in the terminal, and the files in its folder.
#include "commands/commands.h"
#include "run/console.h"
#include "run/interrupt.h"
#include "run/jobs.h"
#include "run/training.h"

#include <chrono>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

namespace app {

using namespace descent;

namespace {

/// settings.json: the options of the run, and a checksum of its samples. The text is put together
/// by hand, because a JSON library's objects end the program where memory is lacking.
std::string settings_of(const Options& o, const std::string& rule, const data::Dataset& d) {
  return to_text("{\n  ", json_of(o), ",\n  \"rule\": ", json_text(rule),
                 ",\n  \"samples\": ", json_text(checksum(d)), "\n}\n");
}

/// The file that the model is written into: network, schema of the table, and what is known of the
/// training.
TableModel model_of(const Options& o, const nn::Sequential& net, const Prepared& data,
                    const std::string& rule, const Run& run) {
  const bool classes = data.all.is_classification();
  return {data.schema,
          network_of(o, data.all.num_features(), classes ? data.all.num_classes() : 1),
          {net},
          {{"optimizer", rule},
           {"seed", std::to_string(o.seed)},
           {"data", checksum(data.all)},
           {"validation_loss", to_text(run.validation.loss)},
           {classes ? "validation_accuracy" : "validation_r2", to_text(run.validation.accuracy)}}};
}

/// Writes metrics.csv, one line for each epoch.
void save_metrics(const Run& run, const std::string& folder) {
  std::string csv =
      "epoch,lr,train_loss,train_accuracy,validation_loss,validation_accuracy,seconds\n";
  for (const Epoch& e : run.epochs)
    csv += to_text(e.epoch, ",", e.lr, ",", e.train.loss, ",", e.train.accuracy, ",",
                   e.validation.loss, ",", e.validation.accuracy, ",", format(e.seconds, "%.6f"),
                   "\n");
  write_file(folder + "/metrics.csv", csv);
}

/// The epoch with the lowest validation loss.
const Epoch& best_of(const Run& run) {
  return *std::min_element(
      run.epochs.begin(), run.epochs.end(),
      [](const Epoch& a, const Epoch& b) { return a.validation.loss < b.validation.loss; });
}

/// What stands beside the progress bar after an epoch.
std::string note_of(const Epoch& e, bool classification) {
  return to_text("loss ", format(e.train.loss, "%.4f"), "  validation ",
                 format(e.validation.loss, "%.4f"), classification ? "  accuracy " : "  R² ",
                 format(e.validation.accuracy, "%.4f"));
}

/// The checkpoints of the run in --out. With --resume, `ready` is then where the last run ended.
/// Without --resume, throws UsageError if the folder has checkpoints, which would be lost.
Checkpoint open_checkpoint(const Options& o, const data::Dataset& d, Training& ready) {
  std::map<std::string, std::string> settings;
  for (const Listed& option : listing(o, false)) settings.emplace(option.name, option.text);
  settings["samples"] = checksum(d);
  Checkpoint checkpoint(o.out, {.keep = 2, .settings = std::move(settings)});
  ready.add_to(checkpoint);
  if (!o.resume && checkpoint.exists())
    fail<UsageError>("--out", "got '", o.out,
                     "', which has checkpoints of a run that was interrupted, expected another "
                     "folder. Hint: --resume goes on with that run; else remove its checkpoint-* "
                     "files");
  if (!o.resume || !checkpoint.load())
    checkpoint.save();  // throws before the first epoch if the folder cannot take a file
  return checkpoint;
}

bool exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

/// True if --resume has nothing to do: a run leaves its model and no checkpoints when it ends.
/// Throws UsageError if the model is of another run.
bool has_ended(const Options& o, const std::string& settings) {
  if (!exists(o.out + "/model.safetensors") || Checkpoint(o.out).exists()) return false;
  if (!exists(o.out + "/settings.json") || read_file(o.out + "/settings.json") != settings)
    fail<UsageError>("--resume", "got '", o.out,
                     "', which has the model of another run, expected that of a run with these "
                     "options. Hint: start anew without --resume");
  return true;
}

int train(const Options& o) {
  std::vector<Output> outputs;
  if (!o.out.empty())
    for (const char* name : {"settings.json", "metrics.csv", "model.safetensors"})
      outputs.push_back({"--out", to_text(o.out, "/", name)});
  if (!o.trace.empty()) outputs.push_back({"--trace", o.trace});
  check_outputs(o.data, outputs);
  if (o.resume && o.out.empty())
    fail<UsageError>("--resume", "got no --out, expected the folder of the run");
  if (o.resume && !o.trace.empty() && exists(o.trace))
    fail<UsageError>("--trace", "got '", o.trace,
                     "', which exists, expected another file: --resume would replace the trace of "
                     "the first part of the run");
  catch_interrupts();
  use_threads(o.threads);
  const Prepared data = prepare_table(o);
  const data::Dataset &all = data.all, &training = data.train, &validation = data.validation;
  manual_seed(o.seed);
  nn::Sequential model = make_model(o, all);
  Training ready(o, model, training, validation);          // throws before a folder is made
  const std::string rule = ready.optimizer().to_string();  // a checkpoint may change its settings
  if (!o.out.empty()) model_of(o, model, data, rule, {}).description();  // throws now if at all
  const std::string settings = settings_of(o, rule, all);
  if (o.resume && has_ended(o, settings)) {
    std::cout << "the run in " << o.out << " has ended: there is nothing to go on with\n";
    return kOk;
  }
  if (!o.resume && !o.force && !o.out.empty() && exists(o.out + "/model.safetensors"))
    fail<UsageError>("--out", "got '", o.out,
                     "', which has the model of an earlier run, expected another folder. Hint: "
                     "--force replaces that model");
  std::optional<Checkpoint> checkpoint;
  if (!o.out.empty()) checkpoint.emplace(open_checkpoint(o, all, ready));
  if (!data.summary.empty()) std::cout << data.summary << "\n";
  std::cout << all.name << ": " << training.size() << " samples to train, " << validation.size()
            << " to validate, " << counted(all.num_features(), "feature")
            << (all.is_classification() ? to_text(", ", all.num_classes(), " classes")
                                        : std::string())
            << "\n"
            << model.summary() << rule << "\n\n";

  Run run;
  try {
    Progress progress(static_cast<std::size_t>(o.epochs));
    using Clock = std::chrono::steady_clock;
    auto saved = Clock::now();
    run = ready.run({.batch =
                         [&] {
                           if (!interrupted()) return;
                           if (checkpoint) checkpoint->save();
                           throw Interrupted{};
                         },
                     .epoch =
                         [&](const Epoch& e) {
                           progress.update(static_cast<std::size_t>(e.epoch),
                                           note_of(e, all.is_classification()));
                           if (!checkpoint || Clock::now() - saved < std::chrono::seconds(1))
                             return;
                           checkpoint->save(e.validation.loss);
                           saved = Clock::now();
                         }});
  } catch (const Interrupted&) {
    std::cerr << "interrupted"
              << (checkpoint ? to_text(". To go on: the same command with --resume")
                             : std::string(". Nothing was saved: there is no --out"))
              << "\n";
    return kInterrupted;
  }
  const char* measure = all.is_classification() ? "accuracy" : "R²";
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
  std::cout << table(rows);
  const auto save = [&] {
    write_file(o.out + "/settings.json", settings);
    save_metrics(run, o.out);
  };
  if (run.diverged) {
    std::cerr << run.failure << "\n";
    if (checkpoint) {
      // The files of a folder belong to one run.
      if (exists(o.out + "/model.safetensors"))
        std::cerr << "the files of an earlier run in " << o.out << " stay as they were\n";
      else
        save();
      checkpoint->clear();
    }
    return kTrainingFailed;
  }
  if (checkpoint) {
    save();
    model.eval();
    model_of(o, model, data, rule, run).save(o.out + "/model.safetensors", validation.x);
    checkpoint->clear();  // the run has ended
  }
  std::cout << "\nvalidation loss " << format(run.validation.loss, "%.4f") << ", " << measure << " "
            << format(run.validation.accuracy, "%.4f")
            << (run.averaged ? " (averaged weights)" : "") << "; "
            << counted(run.gradient_evaluations, "gradient evaluation") << " in "
            << duration(run.seconds) << "\n";
  if (run.best_epoch > 0) std::cout << "the weights are those of epoch " << run.best_epoch << "\n";
  if (const Epoch& best = best_of(run);
      o.patience == 0 && best.validation.loss < 0.99 * run.validation.loss)
    std::cout << "the weights are those of the last epoch; epoch " << best.epoch
              << " had validation loss " << format(best.validation.loss, "%.4f") << ", " << measure
              << " " << format(best.validation.accuracy, "%.4f")
              << ". Hint: --patience 20 keeps the best\n";
  if (!o.out.empty())
    std::cout << "settings.json, metrics.csv and model.safetensors are in " << o.out << "\n";
  return kOk;
}

std::function<int()> add(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  add_options(app, *o, false);
  return [o] { return train(*o); };
}

}  // namespace

const Command kTrain{"train", "Train a network on a data set", add};

}  // namespace app
