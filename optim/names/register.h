// register_optimizer: gives names to rules and wrappers of your own.
//
//   optim::register_optimizer<Centralise>();
//
// After this call make("centralise(adamw)", …), explain() and the conformance tests know
// Centralise.
#pragma once

#include <descent/core/text.h>
#include <descent/optim/engine/wrapper.h>
#include <descent/optim/names/registry.h>

#include <typeinfo>

namespace descent::optim {

namespace detail {

/// Replaces settings. Throws ValueError, in the name of `owner`, if `given` names an unknown one.
void replace_settings(std::string_view owner, const FieldLister& list, Entry::Settings given);
/// Begins the entry of a rule, or of a wrapper if `rule` is null: name, card and settings. Parts of
/// `by` that are not empty replace parts of the card.
Entry describe(std::string name, const Card& card, const Card& by, const FieldLister& list,
               const AnyRule* rule);

/// Returns `value` with some settings replaced.
template <class T>
T with_settings(T value, const Entry::Settings& given) {
  const auto list = [&value](const FieldVisitor& f) { visit_fields(value, f); };
  replace_settings(T::card.name, list, given);
  return value;
}

/// Makes the entry of a rule or wrapper, or of a preset.
template <class T>
Entry entry(std::string name, T preset, const Card& by) {
  const FieldLister list = [&preset](const FieldVisitor& f) { visit_fields(preset, f); };
  Entry e;
  if constexpr (is_wrapper<T>) {
    e = describe(std::move(name), T::card, by, list, nullptr);
    e.wrap = [preset](Optimizer&& inner, const Entry::Settings& settings) {
      return wrap(std::move(inner), with_settings(preset, settings));
    };
  } else {
    e = describe(std::move(name), T::card, by, list,
                 Code<T, simd::Configuration>::make(preset).get());
    e.make = [preset](Parameters parameters, const Entry::Settings& settings) {
      return Optimizer(std::move(parameters), with_settings(preset, settings));
    };
    e.add_group = [preset](Optimizer& o, Parameters parameters, const Entry::Settings& settings) {
      o.add_group(std::move(parameters), with_settings(preset, settings));
    };
  }
  e.type = to_text(detail::built_in<T> ? "optim::" : "", class_name(typeid(T)));
  e.is_preset = e.name != T::card.name;
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
