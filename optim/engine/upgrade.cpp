#include <descent/core/create.h>
#include <descent/optim/engine/upgrade.h>

namespace descent::optim::detail {

State upgraded(const State& state) {
  const auto is_on = [&](const std::string& key) {
    const auto found = state.find(key);
    return found != state.end() && found->second.defined() && found->second.numel() == 1 &&
           found->second.item() != 0;
  };
  bool everywhere = true,
       some = false;  // the switch amsgrad is on in all groups; some group has it
  for (const auto& [key, t] : state)
    if (key.starts_with("group/") && key.ends_with("/amsgrad")) {
      some = true;
      everywhere &= is_on(key);
    }
  if (!some) return state;
  // "adam/m/fc.weight" belongs to AMSGrad if the state has a maximum for that parameter.
  const auto is_amsgrad = [&](const std::string& key, std::string_view rule) {
    if (!key.starts_with(rule)) return false;
    const std::size_t slot = key.find('/', rule.size());
    return everywhere ||
           (slot != key.npos && state.contains(to_text(rule, "v_max", key.substr(slot))));
  };
  State out;
  for (const auto& [key, t] : state) {
    if (key.starts_with("group/") && key.ends_with("/amsgrad")) {
      const std::string group = key.substr(0, key.size() - std::string_view("amsgrad").size());
      if (is_on(key))
        out[group + "decoupled"] = full({}, state.contains(group + "decoupled_lr"), kFloat64);
      continue;
    }
    if (key.starts_with("group/") && key.ends_with("/decoupled_lr") && !is_on(key))
      if (is_on(key.substr(0, key.size() - std::string_view("decoupled_lr").size()) + "amsgrad"))
        continue;
    if (is_amsgrad(key, "adam/"))
      out["amsgrad" + key.substr(4)] = t;
    else if (is_amsgrad(key, "adamw/"))
      out["amsgrad" + key.substr(5)] = t;
    else
      out[key] = t;
  }
  return out;
}

}  // namespace descent::optim::detail
