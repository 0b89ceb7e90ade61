// The optimizers by name: what `descent explain`, `descent train --optimizer` and the README table
// know. A new rule joins by one entry in registry.cpp.
#pragma once

#include <descent/optim/optimizer.h>

#include <map>

namespace descent::optim {

struct Entry {
  std::string name;   // as asked for: "adamw"; a preset of a rule has a name of its own: "nesterov"
  Card card;          // of the rule or wrapper
  bool from_article;  // takes part in `descent compare`
  bool is_wrapper;
  /// Fields with their default and legal range, for printing.
  struct Field {
    std::string name, text, range;
  };
  std::vector<Field> fields;
  /// The rule over parameters, with some fields set; throws as Optimizer does. Empty for a wrapper.
  std::function<Optimizer(Parameters, const std::map<std::string, Hyper>&)> make;
};

const std::vector<Entry>& registry();
/// Throws ValueError with the list and the nearest name.
const Entry& find_optimizer(std::string_view name);
/// An optimizer by name, with fields set by name: make("sgd", p, {{"momentum", 0.9}}).
Optimizer make(std::string_view name, Parameters parameters,
               const std::map<std::string, Hyper>& settings = {});
/// The card in full: formula, paper, fields with defaults and ranges, cost, advice.
std::string explain(const Entry& entry, std::size_t width = 80);

/// All cards as a table in Markdown, as it stands in the README.
std::string markdown_table();

}  // namespace descent::optim
