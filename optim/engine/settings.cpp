#include <descent/optim/engine/groups.h>
#include <descent/optim/engine/settings.h>

namespace descent::optim::detail {

namespace {

/// Finds the fields that a name, "eps" or "adam.eps", stands for. If a wrapper has such a field,
/// the outermost such wrapper counts. Otherwise the rules count.
std::vector<FieldRef> find(Layer& outermost, std::string_view op, std::string_view name, int group,
                           std::size_t groups) {
  if (group >= static_cast<int>(groups))
    fail<ValueError>(op, "got group ", group, ", expected one in [0, ", groups, ")");
  const std::size_t dot = name.find('.');
  const std::string_view wanted = dot == name.npos ? name : name.substr(dot + 1);
  const std::string_view owner = dot == name.npos ? "" : name.substr(0, dot);
  std::vector<FieldRef> found;
  for (Layer* s = &outermost; s && found.empty(); s = s->inner())
    s->visit_fields(
        [&](const FieldRef& f) {
          if (f.name == wanted) found.push_back(f);
        },
        group, owner);
  if (!found.empty()) return found;
  std::set<std::string> names;
  for (Layer* s = &outermost; s; s = s->inner())
    s->visit_fields([&](const FieldRef& f) { names.emplace(f.name); }, group, {});
  fail<ValueError>(op, "got the name '", name, "', ", expected_one_of(wanted, names));
}

}  // namespace

double get_setting(Layer& outermost, std::string_view name, int group) {
  Groups& rules = outermost.groups();
  return find(outermost, "get", name, group < 0 ? 0 : group, rules.groups())
      .front()
      .at(rules.steps());
}

void set_setting(Layer& outermost, std::string_view name, Hyper value, int group) {
  Groups& rules = outermost.groups();
  const std::vector<FieldRef> found = find(outermost, "set", name, group, rules.groups());
  for (const FieldRef& f : found) f.check("set", name, value);
  std::vector<Hyper> before;
  for (const FieldRef& f : found) {
    before.push_back(f.flag ? Hyper(*f.flag ? 1 : 0) : *f.number);
    f.set(value);
  }
  try {
    rules.check();
  } catch (...) {
    for (std::size_t i = 0; i < found.size(); ++i) found[i].set(before[i]);
    throw;
  }
}

}  // namespace descent::optim::detail
