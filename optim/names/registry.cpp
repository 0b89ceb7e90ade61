#include <descent/core/error.h>
#include <descent/optim/names/description.h>
#include <descent/optim/names/registry.h>
#include <descent/optim/rules.h>
#include <descent/optim/wrappers.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace descent::optim {
namespace {

using Settings = Entry::Settings;

/// The fields of a rule or of a wrapper's options, as they stand.
template <class T>
std::vector<Entry::Field> list_fields(T value) {
  std::vector<Entry::Field> fields;
  T::fields(value, [&]<class V>(std::string_view name, V& v, const auto&... range) {
    if constexpr (std::is_same_v<V, bool>)
      fields.push_back({std::string(name), v ? "true" : "false", "switch"});
    else
      fields.push_back({std::string(name),
                        v.is_constant() && std::isinf(v(0)) ? "required" : v.text(),
                        (range.text() + ...)});
  });
  return fields;
}

/// value with some fields set; the rest of the settings must be empty.
template <class T>
T with_settings(T value, Settings left) {
  const std::string_view owner = T::card.name;
  T::fields(value, [&]<class V>(std::string_view name, V& v, const auto&...) {
    const auto found = left.find(std::string(name));
    if (found == left.end()) return;
    if constexpr (std::is_same_v<V, bool>) {
      detail::check_switch(owner, name, found->second);
      v = found->second(0) != 0;
    } else {
      v = found->second;
    }
    left.erase(found);
  });
  if (left.empty()) return value;
  std::string all;
  std::vector<std::string> names;
  for (const auto& f : list_fields(value)) {
    names.push_back(f.name);
    all += (all.empty() ? "" : ", ") + f.name;
  }
  const std::string near = nearest_match(left.begin()->first, names);
  fail<ValueError>(owner, "got the setting '", left.begin()->first, "', expected ",
                   all.empty() ? "none" : "one of " + all,
                   near.empty() ? "" : to_text(". Hint: did you mean '", near, "'?"));
}

/// What a preset says otherwise than the card of its rule.
Card changed(Card card, const Card& by) {
  const auto take = [](std::string_view& to, std::string_view from) {
    if (!from.empty()) to = from;
  };
  take(card.title, by.title);
  take(card.formula, by.formula);
  take(card.paper, by.paper);
  take(card.when, by.when);
  take(card.avoid, by.avoid);
  take(card.traps, by.traps);
  return card;
}

/// A rule, or a preset of one, under `name`.
template <class Rule>
Entry rule(std::string name, bool from_article = false, Rule preset = {}, const Card& by = {}) {
  Entry e{std::move(name),
          changed(Rule::card, by),
          from_article,
          false,
          list_fields(preset),
          {},
          {},
          {}};
  const detail::RuleOf<Rule> any(preset);
  if (!any.is_whole() && !any.measures()) {  // a preset may keep more than its rule
    double scalars[detail::kMaxScalars] = {};
    const int slots = any.bind({1, 1, scalars}, kFloat32).slot_count;
    e.card.state = slots;
  }
  e.make = [preset](Parameters parameters, const Settings& settings) {
    return Optimizer(std::move(parameters), with_settings(preset, settings));
  };
  e.add_group = [preset](Optimizer& o, Parameters parameters, const Settings& settings) {
    o.add_group(std::move(parameters), with_settings(preset, settings));
  };
  return e;
}

template <class Options, class F>
Entry wrapper(std::string name, F wrap, Options preset = {}, const Card& by = {}) {
  Entry e{
      std::move(name), changed(Options::card, by), false, true, list_fields(preset), {}, {}, {}};
  e.wrap = [preset, wrap](Optimizer inner, const Settings& settings) {
    return wrap(std::move(inner), with_settings(preset, settings));
  };
  return e;
}

/// Muon for the hidden matrices, AdamW at its defaults for the rest.
Entry muon_adamw() {
  Entry e = rule("muon_adamw", false, Muon{},
                 {.title = "Muon for hidden matrices, AdamW for the rest",
                  .formula = "muon;  biases, the first and the last matrix: adamw at its defaults",
                  .when = "A whole network by one name; the settings are Muon's.",
                  .avoid = "Networks without a hidden layer: all of it would be AdamW's."});
  e.make = [](Parameters parameters, const Settings& settings) {
    const Muon muon = with_settings(Muon{}, settings);
    std::set<std::string> names;
    for (const Parameter& p : parameters)
      if (!names.insert(p.name).second)
        fail<ValueError>("muon_adamw", "got parameter '", p.name,
                         "' twice, expected each once, under a name of its own");
    MuonSplit split = split_for_muon(parameters);
    if (split.muon.empty()) split = split_for_muon(parameters, true);
    if (split.muon.empty()) return Optimizer(std::move(parameters), AdamW{});
    Optimizer o(std::move(split.muon), muon);
    if (!split.other.empty()) o.add_group(std::move(split.other), AdamW{});
    return o;
  };
  e.add_group = {};
  return e;
}

std::vector<Entry> all() {
  const auto inner = [](Optimizer& o) -> Optimizer&& { return std::move(o); };
  return {
      rule("sgd", true, SGD{}, {.title = "Stochastic gradient descent", .formula = "θ −= η g"}),
      rule(
          "momentum", true, SGD{.momentum = 0.9},
          {.title = "SGD with momentum",
           .formula = "b = μb + (1−τ)g,  θ −= ηb   (step form: v = μv + ηg, θ −= v)",
           .when =
               "Narrow valleys and noisy gradients: keeps its direction, and is fast once tuned.",
           .traps = "The effective rate is η/(1−μ): ten times η at 0.9. In the step form a lowered "
                    "rate takes hold only slowly."}),
      rule("nesterov", true, SGD{.momentum = 0.9, .nesterov = true},
           {.title = "SGD with Nesterov's momentum",
            .formula = "b = μb + g,  θ −= η(g + μb)",
            .when = "As momentum, with less overshooting; full batches of convex problems.",
            .traps = "Needs momentum, and no dampening. The effective rate is η/(1−μ)."}),
      rule<AdaGrad>("adagrad", true),
      rule<RMSProp>("rmsprop", true),
      rule<Adam>("adam", true),
      rule("amsgrad", true, Adam{.amsgrad = true},
           {.title = "AMSGrad: Adam that divides by the largest v so far",
            .formula =
                "m = β₁m + (1−β₁)g,  v = β₂v + (1−β₂)g²,  V = max(V, v),  θ −= η m̂ / (√V̂ + ε)",
            .paper = "Reddi, Kale & Kumar 2018, arXiv:1904.09237",
            .when = "Where rare, large gradients carry the information and Adam drifts away.",
            .avoid = "Long runs whose gradients shrink: one early peak slows it for ever.",
            .traps = "Three versions exist; this is PyTorch's: the maximum of the raw v, then "
                     "corrected. The rate can only fall."}),
      rule<AdamW>("adamw", true),
      rule<Adadelta>("adadelta"),
      rule<AdaMax>("adamax"),
      rule<NAdam>("nadam"),
      rule<RAdam>("radam"),
      rule<Rprop>("rprop"),
      rule<ASGD>("asgd"),
      rule<LBFGS>("lbfgs"),
      rule<Lion>("lion"),
      rule<Muon>("muon"),
      muon_adamw(),
      rule<ScheduleFreeAdamW>("schedule_free_adamw"),
      rule<ScheduleFreeSGD>("schedule_free_sgd"),
      rule<Prodigy>("prodigy"),
      rule<LAMB>("lamb"),
      rule<LARS>("lars"),
      rule<Adan>("adan"),
      rule<Adafactor>("adafactor"),
      rule<SOAP>("soap"),
      rule<Sophia>("sophia"),
      wrapper<SamOptions>("sam",
                          [=](Optimizer o, SamOptions s) { return sam(inner(o), std::move(s)); }),
      wrapper("asam", [=](Optimizer o, SamOptions s) { return sam(inner(o), std::move(s)); },
              SamOptions{.rho = 0.5, .adaptive = true},
              {.title = "Adaptive SAM: the climb is relative to each weight",
               .formula = "T = |θ| + 0.01,  climb θ += ρ T²g/‖Tg‖",
               .paper = "Kwon et al. 2021, arXiv:2102.11600",
               .when = "As SAM, where layers differ in the scale of their weights.",
               .traps = "Its ρ is ten times SAM's."}),
      wrapper<ClipNormOptions>(
          "clip_norm",
          [=](Optimizer o, const ClipNormOptions& s) { return clip_norm(inner(o), s.max_norm); }),
      wrapper<ClipValueOptions>("clip_value",
                                [=](Optimizer o, const ClipValueOptions& s) {
                                  return clip_value(inner(o), s.max_value);
                                }),
      wrapper<ClipNormPerParameterOptions>("clip_norm_per_parameter",
                                           [=](Optimizer o, const ClipNormPerParameterOptions& s) {
                                             return clip_norm_per_parameter(inner(o), s.max_norm);
                                           }),
      wrapper<AgcOptions>("agc",
                          [=](Optimizer o, AgcOptions s) { return agc(inner(o), std::move(s)); }),
      wrapper<NoiseOptions>(
          "noise", [=](Optimizer o, NoiseOptions s) { return noise(inner(o), std::move(s)); }),
      wrapper<AccumulateOptions>(
          "accumulate",
          [=](Optimizer o, const AccumulateOptions& s) { return accumulate(inner(o), s.steps); }),
      wrapper<SkipNonFiniteOptions>(
          "skip_non_finite",
          [=](Optimizer o, const SkipNonFiniteOptions&) { return skip_non_finite(inner(o)); }),
      wrapper<LookaheadOptions>(
          "lookahead",
          [=](Optimizer o, LookaheadOptions s) { return lookahead(inner(o), std::move(s)); }),
      wrapper<SwaOptions>("swa",
                          [=](Optimizer o, SwaOptions s) { return swa(inner(o), std::move(s)); }),
      wrapper<EmaOptions>("ema",
                          [=](Optimizer o, const EmaOptions& s) { return ema(inner(o), s.decay); }),
  };
}

Optimizer make(const Expression& e, Parameters& parameters, const Settings& settings) {
  const Entry& entry = find_optimizer(e.text);
  Settings own = entry.is_wrapper ? Settings() : settings;
  const Expression* inner = nullptr;
  std::size_t position = 0;
  std::set<std::string> given;
  for (const auto& [key, value] : e.arguments) {
    std::string field = key;
    if (key.empty() && entry.is_wrapper && !inner) {
      inner = &value;
      continue;
    }
    if (key.empty()) {
      if (!entry.is_wrapper || position >= entry.fields.size())
        fail<ValueError>(entry.name, "got '", value.to_string(), "' without a name in '",
                         e.to_string(), "', expected name=value. Hint: for example ", entry.name,
                         "(", entry.is_wrapper ? "adamw, " : "",
                         entry.fields.empty() ? "" : entry.fields[0].name + "=…", ")");
      field = entry.fields[position++].name;
    }
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
  return entry.wrap(make(*inner, parameters, settings), own);
}

/// Code points: what a terminal shows as one column each.
std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
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
    const auto length = columns_of(word);
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
                   near.empty() ? "" : to_text(". Hint: did you mean '", near, "'?"));
}

Optimizer make(std::string_view description, Parameters parameters, const Settings& settings) {
  return make(Expression::parse(description), parameters, settings);
}

std::string rule_of(std::string_view description) {
  const Expression whole = Expression::parse(description);
  const Expression* e = &whole;
  while (find_optimizer(e->text).is_wrapper) {
    const auto inner = std::find_if(e->arguments.begin(), e->arguments.end(),
                                    [](const auto& a) { return a.key.empty(); });
    if (inner == e->arguments.end()) break;
    e = &inner->value;
  }
  return e->text;
}

namespace {

std::string state_text(const Card& c) {
  return to_text(c.state, c.state == 1 ? " number" : " numbers", " per parameter (", 4 * c.state,
                 " bytes in float32)");
}
std::string cost_text(const Card& c) {
  return to_text(c.gradient_evaluations,
                 c.gradient_evaluations == 1 ? " evaluation" : " evaluations", " a step");
}

}  // namespace

std::string explain(const Entry& e, std::size_t width) {
  const Card& c = e.card;
  std::string s = to_text(e.name, ": ", c.title, "\n\n");
  s += wrap_text(c.formula, width, 2);
  s += "\n  source     " + wrap_text(c.paper, width, 13).substr(13);
  s += to_text("  state      ", state_text(c), "\n  gradients  ", cost_text(c), "\n");
  if (!e.fields.empty()) s += "\n  settings\n";
  std::size_t name_width = 0, text_width = 0;
  for (const auto& f : e.fields) {
    name_width = std::max(name_width, f.name.size());
    text_width = std::max(text_width, f.text.size());
  }
  for (const auto& f : e.fields)
    s += to_text("    ", f.name, std::string(name_width - f.name.size() + 2, ' '), f.text,
                 std::string(text_width - f.text.size() + 2, ' '), f.range, "\n");
  s += "\n  use it for\n" + wrap_text(c.when, width, 4);
  if (!c.avoid.empty()) s += "\n  not for\n" + wrap_text(c.avoid, width, 4);
  s += "\n  beware\n" + wrap_text(c.traps, width, 4);
  return s;
}

std::string compare_cards(const std::vector<std::string>& names, std::size_t width) {
  std::vector<const Entry*> entries;
  for (const std::string& name : names) entries.push_back(&find_optimizer(name));
  if (entries.empty()) fail<ValueError>("compare_cards", "got no names, expected some");
  const std::size_t gap = 2, column = (width + gap) / entries.size() - gap;
  if (column < 18)
    fail<ValueError>("compare_cards", "got ", names.size(), " optimizers for a width of ", width,
                     ", expected at most ", (width + gap) / (18 + gap));
  std::string s;
  // One section: each card's text in its own column, line by line.
  const auto section = [&](std::string_view title, const auto& text_of) {
    std::vector<std::vector<std::string>> columns;
    std::size_t most = 0;
    for (const Entry* e : entries) {
      std::vector<std::string>& lines = columns.emplace_back();
      const std::string wrapped = wrap_text(text_of(*e), column, 0);
      for (std::size_t at = 0; at < wrapped.size();) {
        const std::size_t end = wrapped.find('\n', at);
        lines.push_back(wrapped.substr(at, end - at));
        at = end + 1;
      }
      most = std::max(most, lines.size());
    }
    if (most == 0) return;
    if (!title.empty()) s += to_text("\n", title, "\n");
    for (std::size_t row = 0; row < most; ++row) {
      std::string line;
      for (std::size_t i = 0; i < columns.size(); ++i) {
        const std::string text = row < columns[i].size() ? columns[i][row] : "";
        if (i + 1 == columns.size())
          line += text;
        else
          line += text + std::string(column + gap - std::min(column, columns_of(text)), ' ');
      }
      s += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
  };
  section("", [](const Entry& e) { return to_text(e.name); });
  section("", [](const Entry& e) { return std::string(e.card.title); });
  section("UPDATE", [](const Entry& e) { return std::string(e.card.formula); });
  section("STATE", [](const Entry& e) { return state_text(e.card); });
  section("GRADIENTS", [](const Entry& e) { return cost_text(e.card); });
  section("SETTINGS", [](const Entry& e) {
    std::string text;
    for (const auto& f : e.fields) text += to_text(text.empty() ? "" : " ", f.name, "=", f.text);
    return text;
  });
  section("USE IT FOR", [](const Entry& e) { return std::string(e.card.when); });
  section("NOT FOR", [](const Entry& e) { return std::string(e.card.avoid); });
  section("BEWARE", [](const Entry& e) { return std::string(e.card.traps); });
  section("SOURCE", [](const Entry& e) { return std::string(e.card.paper); });
  return s;
}

std::string markdown_table() {
  std::string s =
      "| Name | What | Update | Source | State | Gradients |\n|---|---|---|---|---|---|\n";
  for (const Entry& e : registry()) {
    std::string formula;
    for (const char c : e.card.formula) formula += c == '|' ? "\\|" : std::string(1, c);
    s += to_text("| `", e.name, "` | ", e.card.title, " | ", formula, " | ", e.card.paper, " | ",
                 e.card.state, " | ", e.card.gradient_evaluations, " |\n");
  }
  return s;
}

}  // namespace descent::optim
