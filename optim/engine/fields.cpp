#include <descent/optim/engine/fields.h>

#include <algorithm>
#include <vector>

namespace descent::optim {

std::string Range::text() const {
  return to_text(low_open ? "(" : "[", low, ", ", high, high_open ? ")" : "]");
}

namespace detail {

void FieldRef::check(std::string_view op, std::string_view as, const Hyper& value,
                     std::string_view source) const {
  if (number && !range->holds(value(0)))
    fail<ValueError>(op, "got ", as, " = ", value(0), source, ", expected a number in ",
                     range->text());
  if (!number && !value.is_constant())
    fail<ValueError>(op, "got ", as, " = ", value.text(),
                     ", expected 0 or 1: a switch follows no schedule");
  if (!number && value(0) != 0 && value(0) != 1)
    fail<ValueError>(op, "got ", as, " = ", value(0), source, ", expected 0 or 1 for a switch");
}

void check_fields(const FieldLister& list) {
  std::vector<std::string_view> names;
  list([&](const FieldRef& f) {
    if (std::find(names.begin(), names.end(), f.name) != names.end())
      fail<ValueError>(f.owner, "got two settings of the name ", f.name,
                       ", expected names that differ");
    names.push_back(f.name);
    if (!f.number) return;
    if (f.at(0) == kInfinity && !f.range->holds(kInfinity))  // such a setting has no default
      fail<ValueError>(f.owner, "got no finite ", f.name, ", expected a number in ",
                       f.range->text());
    f.check(f.owner, f.name, *f.number);
  });
}

std::string fields_text(std::string_view name, const std::string& first, const FieldLister& list) {
  std::string s = to_text(name, "(", first);
  list(
      [&](const FieldRef& f) { s += to_text(s.back() == '(' ? "" : ", ", f.name, "=", f.text()); });
  return s + ")";
}

}  // namespace detail
}  // namespace descent::optim
