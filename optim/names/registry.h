// The registry: all optimizers by name. `descent explain`, `descent train --optimizer` and the
// table in optim/README.md read the registry. Built-in rules and wrappers join by their line in
// rules.h or wrappers.h. Those of your own join by register_optimizer().
#pragma once

#include <descent/optim/names/description.h>
#include <descent/optim/optimizer.h>

#include <map>

namespace descent::optim {

/// A rule, a wrapper, or a preset, in the registry.
struct Entry {
  using Settings = std::map<std::string, Hyper>;  ///< values by name: {{"momentum", 0.9}}
  std::string name;                               ///< "adamw"; or the name of a preset: "nesterov"
  Card card;                                      ///< of the rule, wrapper or preset
  bool is_wrapper;                                ///< false for a rule
  std::string type = {};                          ///< the class: "optim::AdamW"
  bool is_preset = false;                         ///< true for the name of a preset
  bool takes_residuals = false;  ///< true for a rule whose closure returns residuals
  /// All settings at their defaults. If a setting has no default, its text is "required".
  std::vector<Field> fields;
  /// Makes an optimizer: the rule over parameters, with some settings replaced. Throws as
  /// Optimizer's constructor. Empty for a wrapper.
  std::function<Optimizer(Parameters, const Settings&)> make;
  /// Adds a group with this rule to an optimizer. Empty for a wrapper, and for a name that makes
  /// several groups.
  std::function<void(Optimizer&, Parameters, const Settings&)> add_group;
  /// Puts the wrapper around an optimizer. Throws as optim::wrap(). Empty for a rule.
  std::function<Optimizer(Optimizer&&, const Settings&)> wrap;
};

/// All entries: rules, then wrappers, then those of your own.
const std::vector<Entry>& registry();
/// Returns the entry of this name. Throws ValueError for an unknown name; the message lists all
/// names and suggests the nearest. The reference is valid until the next register_optimizer().
const Entry& find_optimizer(std::string_view name);

/// Makes an optimizer from its description, the text that Optimizer::to_string() prints. The first
/// argument of a wrapper is the optimizer inside. Further arguments without a name are the settings
/// of the wrapper, in their order. `settings` are settings of the rule; the text overrides them.
/// Throws ValueError for malformed text, an unknown name, or a value out of range; and as
/// Optimizer's constructor.
///
///   make("sgd", p, {{"momentum", 0.9}})
///   make("sam(clip_norm(adamw(lr=warmup(50, cosine(1e-3, 500))), 1), rho=0.05)", p)
Optimizer make(std::string_view description, Parameters parameters,
               const Entry::Settings& settings = {});
/// Makes the same of a description that is parsed already. Throws as make() of a text.
Optimizer make(const Expression& description, Parameters parameters,
               const Entry::Settings& settings = {});
/// Returns the name of the rule in a description. Throws ValueError as make().
///
///   rule_of("sam(adamw(lr=0.1))")  // "adamw"
std::string rule_of(std::string_view description);

/// Returns the card in full: formula, source, settings with defaults and ranges, cost, advice.
/// Lines have at most `width` columns where words allow it.
std::string explain(const Entry& entry, std::size_t width = 80);
/// Returns several cards side by side, `width` columns in all. Throws ValueError for no names, an
/// unknown name, or more names than fit at 18 columns each.
std::string compare_cards(const std::vector<std::string>& names, std::size_t width = 80);

/// Returns all cards as a table in Markdown, as in optim/README.md.
std::string markdown_table();

}  // namespace descent::optim
