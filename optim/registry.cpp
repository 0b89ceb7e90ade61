#include <descent/core/error.h>
#include <descent/optim/adagrad.h>
#include <descent/optim/adam.h>
#include <descent/optim/adamw.h>
#include <descent/optim/registry.h>
#include <descent/optim/rmsprop.h>
#include <descent/optim/sgd.h>
#include <descent/optim/wrappers.h>

#include <algorithm>

namespace descent::optim {
namespace {

struct Lister final : FieldVisitor {
  std::vector<Entry::Field> fields;
  void operator()(std::string_view name, Hyper& value, const Range& range) override {
    fields.push_back({std::string(name), value.text(), range.text()});
  }
  void operator()(std::string_view name, bool& value) override {
    fields.push_back({std::string(name), value ? "true" : "false", "switch"});
  }
};

/// A rule, or a preset of one, under `name`.
template <class Rule>
Entry rule(std::string name, Rule preset = {}, std::string_view title = {},
           std::string_view formula = {}, std::string_view when = {}, std::string_view traps = {}) {
  Entry e{name, Rule::card, true, false, {}, {}};
  e.card.state = detail::RuleOf<Rule>(preset).bind({1, 0}, kFloat32).slot_count;
  if (!title.empty()) e.card.title = title;
  if (!formula.empty()) e.card.formula = formula;
  if (!when.empty()) e.card.when = when;
  if (!traps.empty()) e.card.traps = traps;
  Lister lister;
  detail::RuleOf<Rule>(preset).visit_fields(lister);
  e.fields = lister.fields;
  e.make = [preset](Parameters parameters, const std::map<std::string, Hyper>& settings) {
    Rule r = preset;
    std::map<std::string, Hyper> left = settings;
    struct Setter final : FieldVisitor {
      std::map<std::string, Hyper>& from;
      explicit Setter(std::map<std::string, Hyper>& m) : from(m) {}
      void operator()(std::string_view name, Hyper& value, const Range&) override {
        if (const auto found = from.find(std::string(name)); found != from.end()) {
          value = found->second;
          from.erase(found);
        }
      }
      void operator()(std::string_view name, bool& value) override {
        if (const auto found = from.find(std::string(name)); found != from.end()) {
          const double x = found->second(0);
          if (x != 0 && x != 1)
            fail<ValueError>(Rule::card.name, "got ", name, " = ", x,
                             ", expected 0 or 1 for a switch");
          value = x != 0;
          from.erase(found);
        }
      }
    } setter(left);
    Rule::fields(r, [&setter](auto&&... field) { setter(field...); });
    if (!left.empty()) {
      Lister known;
      detail::RuleOf<Rule>(preset).visit_fields(known);
      std::string all;
      std::vector<std::string> names;
      for (const auto& f : known.fields) {
        names.push_back(f.name);
        all += (all.empty() ? "" : ", ") + f.name;
      }
      const std::string near = nearest_match(left.begin()->first, names);
      fail<ValueError>(Rule::card.name, "got the setting '", left.begin()->first,
                       "', expected one of ", all,
                       near.empty() ? "" : concat(". Hint: did you mean '", near, "'?"));
    }
    return Optimizer(std::move(parameters), r);
  };
  return e;
}

Entry wrapper(Card card, std::vector<Entry::Field> fields) {
  return {std::string(card.name), card, true, true, std::move(fields), {}};
}

std::vector<Entry> all() {
  return {
      rule("sgd", SGD{}, "Stochastic gradient descent", "θ −= η g"),
      rule("momentum", SGD{.momentum = 0.9}, "SGD with momentum",
           "b = μb + (1−τ)g,  θ −= ηb   (step form: v = μv + ηg, θ −= v)",
           "Narrow valleys and noisy gradients: keeps its direction, and is fast once tuned.",
           "The effective rate is η/(1−μ): ten times η at 0.9. In the step form a lowered rate "
           "takes hold only slowly."),
      rule("nesterov", SGD{.momentum = 0.9, .nesterov = true}, "SGD with Nesterov's momentum",
           "b = μb + g,  θ −= η(g + μb)",
           "As momentum, with less overshooting; full batches of convex problems.",
           "Needs momentum, and no dampening. The effective rate is η/(1−μ)."),
      rule<AdaGrad>("adagrad"),
      rule<RMSProp>("rmsprop"),
      rule<Adam>("adam"),
      rule("amsgrad", Adam{.amsgrad = true}, "AMSGrad: Adam that divides by the largest v so far",
           "m = β₁m + (1−β₁)g,  v = β₂v + (1−β₂)g²,  V = max(V, v),  θ −= η m̂ / (√V̂ + ε)",
           "Where rare, large gradients carry the information and Adam drifts away.",
           "Three versions exist; this is PyTorch's: the maximum of the raw v, then corrected. The "
           "rate can only fall."),
      rule<AdamW>("adamw"),
      wrapper(
          {.name = "sam",
           .title = "Sharpness-aware minimisation, around any optimizer",
           .formula = "N = ‖g‖₂,  climb θ += ρ g/N,  gradient there,  θ back,  base step",
           .paper = "Foret et al. 2021, arXiv:2010.01412",
           .when =
               "Overfitting nets and noisy labels: finds flatter minima that generalise better.",
           .traps = "Two gradient evaluations a step: compare it at equal cost. Needs a closure.",
           .state = 0,
           .gradient_evaluations = 2},
          {{"rho", "0.05", kNonNegative.text()}, {"adaptive", "false", "switch"}}),
      wrapper({.name = "asam",
               .title = "Adaptive SAM: the climb is relative to each weight",
               .formula = "T = |θ| + 0.01,  climb θ += ρ T²g/‖Tg‖",
               .paper = "Kwon et al. 2021, arXiv:2102.11600",
               .when = "As SAM, where layers differ in the scale of their weights.",
               .traps = "Its ρ is ten times SAM's.",
               .state = 0,
               .gradient_evaluations = 2},
              {{"rho", "0.5", kNonNegative.text()}}),
      wrapper(
          {.name = "clip_norm",
           .title = "Gradient clipping by norm",
           .formula = "if ‖g‖ > c:  g ← c g/‖g‖,  the norm over all parameters",
           .paper = "Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063",
           .when = "Recurrent networks, losses with cliffs: keeps the direction, bounds the step.",
           .traps = "With Adam's kind the scale cancels out in the long run; a bound far below the "
                    "usual norm is a lower rate in disguise."},
          {{"max_norm", "required", kPositive.text()}}),
      wrapper({.name = "clip_value",
               .title = "Gradient clipping by value",
               .formula = "g ← min(max(g, −c), c),  each element",
               .paper = "Mikolov 2012, PhD thesis",
               .when = "A few wild elements among many.",
               .traps = "Changes the direction of the step."},
              {{"max_value", "required", kPositive.text()}}),
      wrapper(
          {.name = "swa",
           .title = "Stochastic weight averaging",
           .formula = "ā += (θ − ā)/(n + 1)",
           .paper = "Izmailov et al. 2018, arXiv:1803.05407",
           .when = "The last quarter of training, at a constant or cyclical rate: a wider, better "
                   "point.",
           .traps = "Batch-norm statistics must be computed anew for ā. Averaging from the start "
                    "averages in bad weights.",
           .state = 1},
          {{"start", "0", "steps"}, {"every", "1", "steps"}}),
      wrapper({.name = "ema",
               .title = "Exponential moving average of the weights",
               .formula = "e = d e + (1−d) θ",
               .paper = "Polyak & Juditsky 1992; Tarvainen & Valpola 2017, arXiv:1703.01780",
               .when = "Evaluation with smoother weights, at any time of training.",
               .traps = "Remembers about 1/(1−d) steps: too long for a short run.",
               .state = 1},
              {{"decay", "0.999", kClosedUnit.text()}}),
  };
}

/// Breaks text into lines of at most `width` columns (code points), indented.
std::string wrap_text(std::string_view text, std::size_t width, std::size_t indent) {
  std::string out, line;
  std::size_t columns = 0;
  const auto flush = [&] {
    out += std::string(indent, ' ') + line + "\n";
    line.clear();
    columns = 0;
  };
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = text.find(' ', i);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view word = text.substr(i, end - i);
    const auto length = static_cast<std::size_t>(
        std::count_if(word.begin(), word.end(), [](char c) { return (c & 0xC0) != 0x80; }));
    if (columns > 0 && columns + 1 + length > width - indent) flush();
    if (columns > 0) line += ' ', ++columns;
    line += word;
    columns += length;
    i = end + 1;
  }
  if (!line.empty()) flush();
  return out;
}

}  // namespace

const std::vector<Entry>& registry() {
  static const std::vector<Entry> entries = all();
  return entries;
}

const Entry& find_optimizer(std::string_view name) {
  std::vector<std::string> names;
  std::string list;
  for (const Entry& e : registry()) {
    if (e.name == name) return e;
    names.push_back(e.name);
    list += (list.empty() ? "" : ", ") + e.name;
  }
  const std::string near = nearest_match(name, names);
  fail<ValueError>("optimizer", "got '", name, "', expected one of ", list,
                   near.empty() ? "" : concat(". Hint: did you mean '", near, "'?"));
}

Optimizer make(std::string_view name, Parameters parameters,
               const std::map<std::string, Hyper>& settings) {
  const Entry& e = find_optimizer(name);
  if (e.is_wrapper)
    fail<ValueError>("optimizer", "got '", name,
                     "', which wraps another, expected a rule. Hint: ", name, "(make(\"sgd\", …))");
  return e.make(std::move(parameters), settings);
}

std::string explain(const Entry& e, std::size_t width) {
  const Card& c = e.card;
  std::string s = concat(e.name, ": ", c.title, "\n\n");
  s += wrap_text(c.formula, width, 2);
  s += "\n  source     " + wrap_text(c.paper, width, 13).substr(13);
  s += concat("  state      ", c.state, c.state == 1 ? " number" : " numbers", " per parameter (",
              4 * c.state, " bytes in float32)\n");
  s += concat("  gradients  ", c.gradient_evaluations,
              c.gradient_evaluations == 1 ? " evaluation" : " evaluations", " a step\n");
  s += "\n  settings\n";
  std::size_t name_width = 0, text_width = 0;
  for (const auto& f : e.fields) {
    name_width = std::max(name_width, f.name.size());
    text_width = std::max(text_width, f.text.size());
  }
  for (const auto& f : e.fields)
    s += concat("    ", f.name, std::string(name_width - f.name.size() + 2, ' '), f.text,
                std::string(text_width - f.text.size() + 2, ' '), f.range, "\n");
  s += "\n  use it when\n" + wrap_text(c.when, width, 4);
  s += "\n  beware\n" + wrap_text(c.traps, width, 4);
  return s;
}

std::string markdown_table() {
  std::string s =
      "| Name | What | Update | Source | State | Gradients |\n|---|---|---|---|---|---|\n";
  for (const Entry& e : registry()) {
    std::string formula;
    for (const char c : e.card.formula) formula += c == '|' ? "\\|" : std::string(1, c);
    s += concat("| `", e.name, "` | ", e.card.title, " | ", formula, " | ", e.card.paper, " | ",
                e.card.state, " | ", e.card.gradient_evaluations, " |\n");
  }
  return s;
}

}  // namespace descent::optim
