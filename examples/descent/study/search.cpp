#include "study/search.h"

#include <algorithm>
#include <cmath>

namespace app {

using namespace descent;

namespace {

double rounded(double x) { return parse_number(format(x, "%.3g")).value_or(x); }

/// Adds the settings of the rule that are searched, each with a range around its default.
void search_rule(Entrant& e, const Described& described) {
  for (const auto& [name, usual] : described.defaults()) {
    if (usual <= 0) continue;  // a setting that is off by default stays off
    if (name == "lr" && usual < 0.5)
      e.space.push_back({"lr", usual / 10, usual * 300});
    else if (name == "lr")  // such a rule sets the scale of its steps itself
      e.space.push_back({"lr", usual / 100, usual * 10});
    else if (name == "momentum")
      e.space.push_back({"momentum", 0.02, 1, true});
    else if (name == "beta1")
      e.space.push_back({"beta1", 0.03, 0.5, true});
    else if (name == "weight_decay")
      e.space.push_back({"weight_decay", usual / 10, usual * 100});
    else
      continue;
    e.defaults.emplace_back(name, usual);
  }
}

/// Adds the searched setting of the outermost wrapper.
void search_wrapper(Entrant& e, const Described& described) {
  struct Own {
    const char *wrapper, *name;
    double low, high, usual;
  };
  for (const Own& w : {Own{"sam", "rho", 0.01, 0.5, 0.05}, {"clip_norm", "max_norm", 0.1, 10, 1}}) {
    if (described.outermost() != w.wrapper || described.arguments() > 1)
      continue;  // another wrapper, or the text gives the value
    e.description.insert(e.description.rfind(')'), to_text(", ", w.name, "={", w.name, "}"));
    e.space.push_back({w.name, w.low, w.high});
    e.defaults.emplace_back(w.name, w.usual);
  }
}

/// Puts the settings that the user gave by --lr and --set into e.given, and removes each of these
/// settings from the search.
void keep_given(Entrant& e, const Options& o) {
  const auto given = [&](const std::string& name) {
    if (e.description.find(name + "=") != std::string::npos &&
        e.description.find("{" + name + "}") == std::string::npos)
      return true;
    return std::any_of(e.given.begin(), e.given.end(),
                       [&](const auto& setting) { return setting.first == name; });
  };
  e.given = given_settings(o);
  if (o.lr > 0) e.given.insert(e.given.begin(), {"lr", o.lr});
  std::erase_if(e.space, [&](const Dimension& d) { return given(d.name); });
  std::erase_if(e.defaults, [&](const auto& d) { return given(d.first); });
}

Entrant entrant(const std::string& text, const Options& o) {
  Entrant e{text, text, 0, {}, {}, {}};
  if (text == "swa(adamw)") e.description = "adamw", e.swa = 0.75;
  const Described described(e.description);
  search_rule(e, described);
  search_wrapper(e, described);
  keep_given(e, o);
  // The name shows the wrappers that the options put around every optimizer.
  if (o.clip_value > 0) e.name = to_text("clip_value(", e.name, ")");
  if (o.clip_norm > 0) e.name = to_text("clip_norm(", e.name, ")");
  if (o.sam > 0) e.name = to_text("sam(", e.name, ")");
  if (o.ema > 0) e.name = to_text("ema(", e.name, ")");
  if (o.swa > 0 && e.swa == 0) e.name = to_text("swa(", e.name, ")");
  return e;
}

/// True if the optimizer can be made, with the wrappers that the options put around it.
bool possible(const Entrant& e, const Options& o) {
  try {
    nn::Linear layer(2, 2);
    make_optimizer(options_for(o, e, e.defaults, 1), layer.parameters(), 100);
    return true;
  } catch (const ValueError&) {
    return false;
  }
}

/// The optimizers that take part if the option --optimizers is missing.
const std::vector<std::string> kArticle{"sgd",
                                        "momentum",
                                        "nesterov",
                                        "adagrad",
                                        "rmsprop",
                                        "adam",
                                        "amsgrad",
                                        "adamw",
                                        "sam(momentum)",
                                        "sam(adamw)",
                                        "clip_norm(momentum)",
                                        "swa(adamw)"};

}  // namespace

Settings Entrant::trial(std::size_t i) const {
  if (i == 0) return defaults;
  double ratio = 2;  // the loop finds the root of x^(d+1) = x + 1
  for (int k = 0; k < 60; ++k)
    ratio = std::pow(1 + ratio, 1 / (static_cast<double>(space.size()) + 1));
  Settings settings;
  double step = 1;
  for (const Dimension& d : space) {
    step /= ratio;
    const double at = std::fmod(0.5 + step * static_cast<double>(i), 1);
    const double value = rounded(d.low * std::pow(d.high / d.low, at));
    settings.emplace_back(d.name, d.from_one ? 1 - value : value);
  }
  return settings;
}

std::string Entrant::space_text() const {
  std::vector<std::string> parts;
  for (const Dimension& d : space)
    parts.push_back(to_text(d.from_one ? "1 − " : "", d.name, " ", format(d.low, "%.3g"), "–",
                            format(d.high, "%.3g")));
  return parts.empty() ? "nothing" : joined(parts);
}

std::string Entrant::at_edge(const Settings& settings) const {
  std::vector<std::string> names;
  for (std::size_t k = 0; k < space.size(); ++k) {
    const Dimension& d = space[k];
    if (d.from_one) continue;  // no sensible values lie beyond these ends
    const double at = std::log(settings[k].second / d.low) / std::log(d.high / d.low);
    if (at < 0.1 || at > 0.9) names.push_back(d.name);
  }
  return joined(names);
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts{""};
  int depth = 0;
  for (const char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ',' && depth == 0)
      parts.emplace_back();
    else if (c != ' ' || !parts.back().empty())
      parts.back() += c;
  }
  for (std::string& p : parts) p.erase(p.find_last_not_of(' ') + 1);
  return parts;
}

std::vector<Entrant> entrants_of(const Options& o) {
  std::vector<Entrant> entrants;
  const auto add = [&](const std::string& text, bool named) {
    Entrant e = entrant(text, o);
    const bool there = std::any_of(entrants.begin(), entrants.end(),
                                   [&](const Entrant& other) { return other.name == e.name; });
    if (!there && (named || possible(e, o))) entrants.push_back(std::move(e));
  };
  for (const std::string& asked : o.optimizer.empty() ? kArticle : split_list(o.optimizer)) {
    bool family = false;  // "sam" stands for all names that begin with "sam("
    for (const std::string& text : kArticle)
      if (text.starts_with(asked + "(")) add(text, false), family = true;
    if (asked == "all") {
      for (const std::string& name : rule_names())
        // Muon refuses biases, and rules of least squares refuse classes.
        if (name != "muon" && !optim::find_optimizer(name).takes_residuals) add(name, false);
    } else if (!family) {
      add(asked, !o.optimizer.empty());
    }
  }
  if (entrants.empty())
    fail<UsageError>("--optimizers", "got '", o.optimizer,
                     "', none of which goes with the other options, expected at least one");
  return entrants;
}

Options options_for(const Options& o, const Entrant& e, const Settings& settings,
                    std::uint64_t seed) {
  Options own = o;
  own.optimizer = e.description;
  own.seed = seed;
  if (e.swa > 0) own.swa = e.swa;
  for (const auto& [name, value] : settings) {
    const std::string text = format(value, "%.6g"), mark = "{" + name + "}";
    if (const std::size_t at = own.optimizer.find(mark); at != std::string::npos)
      own.optimizer.replace(at, mark.size(), text);
    else if (name == "lr")
      own.lr = value;
    else
      own.set.push_back(to_text(name, "=", text));
  }
  return own;
}

bool contains(const std::string& outer, const std::string& inner) {
  const std::vector<std::pair<std::string, std::string>> pairs{
      {"momentum", "sgd"}, {"nesterov", "sgd"}, {"adam", "momentum"}, {"adamw", "adam"}};
  return std::find(pairs.begin(), pairs.end(), std::pair(outer, inner)) != pairs.end() ||
         outer == to_text("sam(", inner, ")") || outer == to_text("clip_norm(", inner, ")");
}

}  // namespace app
