// All optimizers by name. A rule or wrapper joins by its line in rules.h or wrappers.h. The end of
// its header compiles it and numbers it for the list, in this file alone: see built_in.inc.
#include <descent/core/error.h>
#include <descent/optim/engine/search_rule.h>
#include <descent/optim/names/register.h>
#include <descent/optim/names/registry.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace descent::optim::detail {

/// The built-in rule or wrapper with number n.
template <int n>
struct BuiltIn;
constexpr int kFirst = __COUNTER__ + 1;

}  // namespace descent::optim::detail

#define DESCENT_REGISTRY  // see built_in.inc
#include <descent/optim/rules.h>
#include <descent/optim/wrappers.h>

namespace descent::optim {
namespace {

constexpr int kBuiltIn = __COUNTER__ - detail::kFirst;
using Settings = Entry::Settings;

Entry muon_adamw_entry() {
  Entry e = detail::entry(
      "muon_adamw", Muon{},
      {.title = "Muon for hidden matrices, AdamW for the rest",
       .formula = "muon;  biases, the first and the last matrix: adamw at its defaults",
       .when = "A whole network by one name; the settings are Muon's.",
       .avoid = "Networks without a hidden layer: all of it would be AdamW's."});
  e.make = [](Parameters parameters, const Settings& settings) {
    return muon_adamw(std::move(parameters), detail::with_settings(Muon{}, settings));
  };
  e.add_group = {};
  return e;
}

template <int... n>
std::vector<Entry> list_all(std::integer_sequence<int, n...>) {
  std::vector<Entry> all;
  (detail::list<typename detail::BuiltIn<n>::type>(all), ...);
  all.insert(std::ranges::find(all, "muon", &Entry::name) + 1, muon_adamw_entry());
  return all;
}

/// The optimizer that stands inside a wrapper: the first argument without a name. Null if there is
/// none, as in a rule.
const Expression* inner_of(const Expression& e) {
  if (!find_optimizer(e.text).is_wrapper) return nullptr;
  const auto inner = std::ranges::find(e.arguments, "", &Argument::key);
  return inner == e.arguments.end() ? nullptr : &inner->value;
}

std::vector<Entry>& entries() {
  static std::vector<Entry> all = list_all(std::make_integer_sequence<int, kBuiltIn>());
  return all;
}

}  // namespace

const std::vector<Entry>& registry() { return entries(); }

void detail::replace_settings(std::string_view owner, const FieldLister& list, Settings given) {
  std::vector<std::string> names;
  list([&](const FieldRef& f) {
    const auto setting = given.extract(names.emplace_back(f.name));
    if (setting.empty()) return;
    if (!f.number) f.check(owner, f.name, setting.mapped());
    f.set(setting.mapped());
  });
  if (given.empty()) return;
  const std::string& unknown = given.begin()->first;
  fail<ValueError>(owner, "got the setting '", unknown, "', ", expected_one_of(unknown, names));
}

Entry detail::describe(std::string name, const Card& card, const Card& by, const FieldLister& list,
                       const AnyRule* rule) {
  Entry e;
  e.name = std::move(name);
  e.card = card;
  e.is_wrapper = rule == nullptr;
  e.takes_residuals = rule && rule->residuals;
  // A preset may use more slots than the rule does at its defaults, so the slots are counted.
  if (rule && rule->kind == RuleKind::element && !rule->measures)
    e.card.state = static_cast<int>(std::ranges::count(rule->slots_in_use(kFloat32), true));
  for (const auto part :
       {&Card::title, &Card::formula, &Card::paper, &Card::when, &Card::avoid, &Card::traps})
    if (!(by.*part).empty()) e.card.*part = by.*part;
  list([&](const FieldRef& f) {
    const bool required = f.number && f.number->is_constant() && std::isinf(f.at(0));
    e.fields.push_back({std::string(f.name), f.at(0), f.range ? *f.range : Range{0, 1}, !f.number,
                        required ? "required" : f.text()});
  });
  return e;
}

void detail::add_entries(std::vector<Entry> more) {
  for (const Entry& e : more) {
    const auto in_word = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
    if (!std::ranges::all_of(e.name, in_word))
      fail<ValueError>("register_optimizer", "got the name '", e.name,
                       "', expected letters, digits and underscores, as text has them");
    if (std::ranges::find(entries(), e.name, &Entry::name) != entries().end())
      fail<ValueError>("register_optimizer", "got the name '", e.name,
                       "', which is taken, expected a new one");
  }
  for (Entry& e : more) entries().push_back(std::move(e));
}

const Entry& find_optimizer(std::string_view name) {
  std::vector<std::string> names;
  const auto letters = [](std::string_view text) {  // of a class: LevenbergMarquardt
    std::string s;
    for (const char c : text.substr(text.rfind(':') + 1))
      if (c != '_' && c != '-') s += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return s;
  };
  for (const Entry& e : registry()) {
    if (e.name == name) return e;
    names.push_back(e.name);
  }
  for (const Entry& e : registry())
    if (letters(e.type) == letters(name))
      fail<ValueError>("optimizer", "got '", name, "', the class ", e.type, ", expected its name '",
                       e.name, "'");
  fail<ValueError>("optimizer", "got '", name, "', ", expected_one_of(name, names));
}

Optimizer make(std::string_view description, Parameters parameters, const Settings& settings) {
  return make(Expression::parse(description), std::move(parameters), settings);
}

Optimizer make(const Expression& e, Parameters parameters, const Settings& settings) {
  const Entry& entry = find_optimizer(e.text);
  const Expression* const inner = inner_of(e);
  Settings own = entry.is_wrapper ? Settings() : settings;
  std::size_t position = 0;
  std::set<std::string> given;
  for (const auto& [key, value] : e.arguments) {
    if (&value == inner) continue;
    if (key.empty() && (!entry.is_wrapper || position >= entry.fields.size()))
      fail<ValueError>(entry.name, "got '", value.to_string(), "' without a name in '",
                       e.to_string(), "', expected name=value. Hint: for example ", entry.name, "(",
                       entry.is_wrapper ? "adamw, " : "",
                       entry.fields.empty() ? "" : entry.fields[0].name + "=…", ")");
    const std::string& field = key.empty() ? entry.fields[position++].name : key;
    if (!given.insert(field).second)
      fail<ValueError>(entry.name, "got ", field, " twice in '", e.to_string(),
                       "', expected it once");
    own.insert_or_assign(field, parse_hyper(value));
  }
  if (!entry.is_wrapper) return entry.make(std::move(parameters), own);
  if (!inner)
    fail<ValueError>(entry.name, "got '", e.to_string(),
                     "', which goes around a rule, expected one inside. Hint: ", entry.name,
                     "(adamw",
                     entry.fields.empty() || entry.fields[0].text != "required"
                         ? ""
                         : ", " + entry.fields[0].name + "=1",
                     ")");
  return entry.wrap(make(*inner, std::move(parameters), settings), own);
}

std::string rule_of(std::string_view description) {
  const Expression whole = Expression::parse(description);
  const Expression* e = &whole;
  while (const Expression* const inner = inner_of(*e)) e = inner;
  return e->text;
}

}  // namespace descent::optim
