// descent train: one training run, its table in the terminal, and the files in its folder.
#include "commands/commands.h"
#include "run/console.h"
#include "run/jobs.h"
#include "run/training.h"

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

namespace app {

using namespace descent;

namespace {

/// A setting as JSON. If the text is a number or a switch, the JSON value is a number or a bool, so
/// that scripts need not convert text.
nlohmann::ordered_json typed(const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  const auto parsed = nlohmann::ordered_json::parse(text, nullptr, false);
  return parsed.is_number() ? parsed : nlohmann::ordered_json(text);
}

/// Writes settings.json: how the model was made, and how its input and target were scaled.
void save_settings(const Options& o, const optim::Optimizer& optimizer, const data::Dataset& d,
                   const Scaling& scaling) {
  nlohmann::ordered_json json;
  for (const auto& [name, value] : listing(o, false)) json[name] = typed(value);
  json["rule"] = optimizer.to_string();
  json["features"] = d.features;
  json["classes"] = d.classes;
  const auto put = [&](const char* name, const std::optional<data::Standardizer>& s) {
    if (s) json[name] = {{"mean", s->mean.to_vector<float>()}, {"std", s->std.to_vector<float>()}};
  };
  put("features_standardized_by", scaling.features);
  put("target_standardized_by", scaling.target);
  write_file(o.out + "/settings.json", json.dump(2) + "\n");
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

int train(const Options& o) {
  use_threads(o.threads);
  data::Dataset all = load_data(o);
  auto [training, validation] = data::split(all, 1 - o.validation, o.seed);
  const Scaling scaling = prepare(o, training, {&validation});
  manual_seed(o.seed);
  nn::Sequential model = make_model(o, all);
  Training ready(o, model, training, validation);  // throws before a folder is made
  if (!o.out.empty()) {
    output_folder(o.out);
    save_settings(o, ready.optimizer(), all, scaling);
  }
  std::cout << all.name << ": " << training.size() << " samples to train, " << validation.size()
            << " to validate, " << counted(all.num_features(), "feature")
            << (all.is_classification() ? to_text(", ", all.num_classes(), " classes")
                                        : std::string())
            << "\n"
            << model.summary() << ready.optimizer().to_string() << "\n\n";

  Run run;
  {
    Progress progress(static_cast<std::size_t>(o.epochs));
    run = ready.run([&](const Epoch& e) {
      progress.update(static_cast<std::size_t>(e.epoch),
                      to_text("loss ", format(e.train.loss, "%.4f"), "  validation ",
                              format(e.validation.loss, "%.4f"),
                              all.is_classification() ? "  accuracy " : "  R² ",
                              format(e.validation.accuracy, "%.4f")));
    });
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
  if (!o.out.empty()) save_metrics(run, o.out);
  if (run.diverged) {
    std::cerr << run.failure << "\n";
    return kTrainingFailed;
  }
  if (!o.out.empty()) model.save(o.out + "/model.safetensors");
  std::cout << "\nvalidation loss " << format(run.validation.loss, "%.4f") << ", " << measure << " "
            << format(run.validation.accuracy, "%.4f")
            << (run.averaged ? " (averaged weights)" : "") << "; "
            << counted(run.gradient_evaluations, "gradient evaluation") << " in "
            << duration(run.seconds) << "\n";
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
