// descent evaluate, importance: how good a model is on rows whose target is known, and which
// columns it relies on.
#include "commands/commands.h"
#include "run/console.h"
#include "run/measures.h"
#include "run/options.h"

#include <CLI/CLI.hpp>
#include <iostream>

namespace app {

using namespace descent;

namespace {

struct Asked {
  std::string model;
  Options of_data;
};

std::shared_ptr<Asked> add_model_and_data(CLI::App& app) {
  const auto a = std::make_shared<Asked>();
  app.add_option("model", a->model, "model.safetensors of `descent train`")->required();
  app.add_option("data", a->of_data.data,
                 "CSV file with the columns of the training, target included")
      ->required();
  add_format(app, a->of_data);
  return a;
}

int evaluate_model(const Asked& a) {
  const TableModel model = load_model(a.model);
  const data::Table table = model.schema.read(a.of_data.data, format_of(a.of_data));
  std::vector<std::string> names;
  for (const data::Target& t : model.schema.all_targets()) names.push_back(t.name);
  const std::string text =
      text_of(evaluations_of(model.schema, model.predict(table), model.schema.truth(table)));
  std::cout << counted(table.rows(), "row") << " of " << a.of_data.data << ", target "
            << joined(names) << "\n\n"
            << text;
  return kOk;
}

int show_importance(const Asked& a) {
  const TableModel model = load_model(a.model);
  const data::Table table = model.schema.read(a.of_data.data, format_of(a.of_data));
  const auto all = importance(model, table);
  std::cout << "Each column in turn is shuffled among the " << counted(table.rows(), "row")
            << ", five times; ± is the deviation between the five\n\n"
            << app::table(rows_of(all, !model.schema.target.classes.empty()));
  return kOk;
}

}  // namespace

const Command kEvaluate{"evaluate", "Measure a trained model on labelled rows", [](CLI::App& app) {
                          const auto a = add_model_and_data(app);
                          return std::function<int()>([a] { return evaluate_model(*a); });
                        }};
const Command kImportance{"importance", "Measure which columns a model relies on",
                          [](CLI::App& app) {
                            const auto a = add_model_and_data(app);
                            return std::function<int()>([a] { return show_importance(*a); });
                          }};

}  // namespace app
