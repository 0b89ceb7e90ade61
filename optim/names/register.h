// register_optimizer: gives names to rules and wrappers of your own.
//
//   optim::register_optimizer<Centralise>();
//
// After this call make("centralise(adamw)", …), explain() and the conformance tests know
// Centralise.
#pragma once

#include <descent/optim/engine/wrapper.h>
#include <descent/optim/names/registry.h>

#include <algorithm>
#include <cmath>

namespace descent::optim {

namespace detail {

/// Returns `value` with some settings replaced. Throws ValueError if `left` names an unknown
/// setting.
template <class T>
T with_settings(T value, Entry::Settings left) {
  std::vector<std::string> names;
  visit_fields(value, [&](const FieldRef& f) {
    const auto given = left.extract(names.emplace_back(f.name));
    if (given.empty()) return;
    if (f.flag) f.check(T::card.name, f.name, given.mapped());
    f.set(given.mapped());
  });
  if (left.empty()) return value;
  const std::string& unknown = left.begin()->first;
  fail<ValueError>(T::card.name, "got the setting '", unknown, "', ",
                   expected_one_of(unknown, names));
}

/// Makes the entry of a rule or wrapper, or of a preset. Parts of `by` that are not empty replace
/// parts of the card.
template <class T>
Entry entry(std::string name, T preset, const Card& by) {
  Entry e;
  e.name = std::move(name);
  e.card = T::card;
  for (const auto part :
       {&Card::title, &Card::formula, &Card::paper, &Card::when, &Card::avoid, &Card::traps})
    if (!(by.*part).empty()) e.card.*part = by.*part;
  visit_fields(preset, [&](const FieldRef& f) {
    const bool required = f.number && f.number->is_constant() && std::isinf(f.at(0));
    e.fields.push_back({std::string(f.name), f.at(0), f.range ? *f.range : Range{0, 1}, !f.number,
                        required ? "required" : f.text()});
  });
  e.is_wrapper = is_wrapper<T>;
  if constexpr (is_wrapper<T>) {
    e.wrap = [preset](Optimizer inner, const Entry::Settings& settings) {
      return wrap(std::move(inner), with_settings(preset, settings));
    };
  } else {
    e.make = [preset](Parameters parameters, const Entry::Settings& settings) {
      return Optimizer(std::move(parameters), with_settings(preset, settings));
    };
    e.add_group = [preset](Optimizer& o, Parameters parameters, const Entry::Settings& settings) {
      o.add_group(std::move(parameters), with_settings(preset, settings));
    };
    // A preset may use more slots than the rule does at its defaults, so the slots are counted.
    const auto rule = Code<T, simd::Configuration>::make(preset);
    if (rule->kind == RuleKind::element && !rule->measures)
      e.card.state = static_cast<int>(std::ranges::count(rule->slots_in_use(kFloat32), true));
  }
  return e;
}

/// The entry of a rule or wrapper, and one for each of its presets.
template <class T>
void list(std::vector<Entry>& all) {
  all.push_back(entry(std::string(T::card.name), T{}, {}));
  if constexpr (requires { T::presets(); })
    for (const Preset<T>& p : T::presets()) all.push_back(entry(p.name, p.value, p.card));
}

/// Adds entries to the registry. Throws ValueError if a name is taken, and then adds none.
void add_entries(std::vector<Entry> entries);

}  // namespace detail

/// Adds a rule or wrapper of your own to the registry, under the name on its card, and its presets
/// under theirs. Throws ValueError if a name is taken. Call register_optimizer() before other
/// threads use the registry, and before you keep references to entries: a new entry may move the
/// others.
template <class T>
void register_optimizer() {
  std::vector<Entry> entries;
  detail::list<T>(entries);
  detail::add_entries(std::move(entries));
}

}  // namespace descent::optim
