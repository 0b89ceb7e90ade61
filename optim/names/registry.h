// The optimizers by name: what `descent explain`, `descent train --optimizer` and the README table
// know. A new rule joins by one entry in registry.cpp.
#pragma once

#include <descent/optim/names/description.h>
#include <descent/optim/optimizer.h>

#include <map>

namespace descent::optim {

struct Entry {
  using Settings = std::map<std::string, Hyper>;
  std::string name;  // as asked for: "adamw"; a preset of a rule has a name of its own: "nesterov"
  Card card;         // of the rule or wrapper
  bool is_wrapper;
  /// Its settings at their defaults. The text of one without a default is "required".
  std::vector<Field> fields;
  /// The rule over parameters, with some fields set; throws as Optimizer does. Empty for a wrapper.
  std::function<Optimizer(Parameters, const Settings&)> make;
  /// Adds a group with the rule to an optimizer. Empty for a wrapper.
  std::function<void(Optimizer&, Parameters, const Settings&)> add_group;
  /// The wrapper around an optimizer. Empty for a rule.
  std::function<Optimizer(Optimizer, const Settings&)> wrap;
};

const std::vector<Entry>& registry();
/// Throws ValueError with the list and the nearest name.
const Entry& find_optimizer(std::string_view name);

/// An optimizer of one group from its description, which is what to_string() prints:
///   make("sgd", p, {{"momentum", 0.9}})
///   make("sam(clip_norm(adamw(lr=warmup(50, cosine(1e-3, 500)), weight_decay=0.05), 1),
///   rho=0.05)", p)
/// The first argument of a wrapper is what it goes around; further ones without a name are its
/// fields in order. `settings` are the rule's, unless the text has them. Throws ValueError.
Optimizer make(std::string_view description, Parameters parameters,
               const Entry::Settings& settings = {});
/// The same of a description that is read already.
Optimizer make(const Expression& description, Parameters parameters,
               const Entry::Settings& settings = {});
/// The name of the rule in a description: "adamw" of "sam(adamw(lr=0.1))".
std::string rule_of(std::string_view description);

/// The card in full: formula, paper, fields with defaults and ranges, cost, advice.
std::string explain(const Entry& entry, std::size_t width = 80);
/// Cards side by side.
std::string compare_cards(const std::vector<std::string>& names, std::size_t width = 80);

/// All cards as a table in Markdown, as it stands in the README.
std::string markdown_table();

}  // namespace descent::optim
