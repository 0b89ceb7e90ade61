#include <descent/core/error.h>
#include <descent/optim/names/description.h>
#include <descent/optim/schedule.h>

#include <cmath>
#include <functional>
#include <limits>
#include <optional>

namespace descent::optim {
namespace {

constexpr int kDeepest = 100;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Expression whole() {
    Expression e = expression(0);
    if (at_ < text_.size()) stop("the end");
    return e;
  }

 private:
  Expression expression(int depth) {
    if (depth > kDeepest) stop("fewer parentheses");
    Expression e{word(), false, {}};
    if (e.text.empty()) stop("a name or a number");
    if (!take('(')) return e;
    e.called = true;
    if (take(')')) return e;
    do e.arguments.push_back(argument(depth + 1));
    while (take(','));
    if (!take(')')) stop("',' or ')'");
    return e;
  }

  Argument argument(int depth) {
    const std::size_t start = at_;
    const std::string key = word();
    if (!key.empty() && take('=')) return {key, expression(depth)};
    if (!key.empty() && take(':')) return {key + ":", expression(depth)};
    at_ = start;
    return {"", expression(depth)};
  }

  std::string word() {
    space();
    const std::size_t start = at_;
    constexpr std::string_view kMarks = "_.-+";
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) ||
                                  kMarks.find(text_[at_]) != kMarks.npos))
      ++at_;
    std::string w(text_.substr(start, at_ - start));
    space();
    return w;
  }
  void space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    space();
    return true;
  }
  [[noreturn]] void stop(const char* expected) const {
    fail<ValueError>("optimizer", "got '", brief(text_, 200), "', expected ", expected, " after '",
                     brief(text_.substr(0, at_), 50, 100), "'. Hint: ",
                     at_ < text_.size() && text_[at_] == '+'
                         ? "+ joins groups, and text does not say which parameters each has: make "
                           "the first, then add_group()"
                         : "for example sam(adamw(lr=0.001), rho=0.05)");
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

constexpr double kRequired = std::numeric_limits<double>::quiet_NaN();  // in place of a default
constexpr std::size_t kAnyNumber = 1000;                                // of arguments

/// A schedule as text, whose arguments are read by position.
struct Call {
  const Expression& text;
  std::string_view signature;  // what a call should look like

  [[noreturn]] void refuse() const {
    fail<ValueError>("schedule", "got '", text.to_string(), "', expected ", signature);
  }
  std::int64_t to_count(double x) const {
    if (!(std::fabs(x) < 1e15) || x != std::floor(x)) refuse();
    return static_cast<std::int64_t>(x);
  }
  /// Returns the i-th argument, or `otherwise` if there are fewer. A T that is a vector takes all
  /// from the i-th on.
  template <class T>
  T argument(std::size_t i, double otherwise = kRequired) const {
    const std::vector<Argument>& all = text.arguments;
    if constexpr (std::is_same_v<T, Hyper>) {
      if (i >= all.size() && !std::isnan(otherwise)) return otherwise;
      if (i >= all.size() || !all[i].key.empty()) refuse();
      return parse_hyper(all[i].value);
    } else if constexpr (std::is_same_v<T, double>) {
      const Hyper h = argument<Hyper>(i, otherwise);
      if (!h.is_constant()) refuse();
      return h(0);
    } else if constexpr (std::is_same_v<T, std::int64_t>) {
      return to_count(argument<double>(i, otherwise));
    } else if constexpr (std::is_same_v<T, Anneal>) {
      const std::string shape = i < all.size() ? all[i].value.text : "cosine";
      if (shape != "linear" && shape != "cosine") refuse();
      return shape == "linear" ? Anneal::linear : Anneal::cosine;
    } else if constexpr (std::is_same_v<T, Cooldown>) {
      const std::string shape = i < all.size() ? all[i].value.text : "linear";
      if (shape != "linear" && shape != "sqrt") refuse();
      return shape == "sqrt" ? Cooldown::sqrt : Cooldown::linear;
    } else if constexpr (std::is_same_v<T, std::pair<std::int64_t, Hyper>>) {  // "10: 0.1"
      const auto& [key, value] = all[i];
      const auto n = parse_number(std::string_view(key).substr(0, key.find(':')));
      if (!key.ends_with(':') || !n) refuse();
      return {to_count(*n), parse_hyper(value)};
    } else {
      T rest;
      for (; i < all.size(); ++i) rest.push_back(argument<typename T::value_type>(i));
      return rest;
    }
  }
};

/// What makes a schedule of a call.
struct Maker {
  std::string_view signature;
  std::size_t most;  // the most arguments
  std::function<Schedule(const Call&)> make;
};

/// A schedule whose arguments are the parameters of a function. The defaults are those of the last
/// parameters.
template <class... P>
Maker plain(std::string_view signature, Schedule (*make)(P...), std::vector<double> defaults = {}) {
  defaults.insert(defaults.begin(), sizeof...(P) - defaults.size(), kRequired);
  return {signature, signature.ends_with("…)") ? kAnyNumber : sizeof...(P),
          [make, defaults](const Call& call) {
            return [&]<std::size_t... K>(std::index_sequence<K...>) {
              return make(call.argument<P>(K, defaults[K])...);
            }
            (std::index_sequence_for<P...>());
          }};
}

/// All schedules, in alphabetical order.
const std::vector<Maker>& makers() {
  static const std::vector<Maker> all{
      plain("constant(value)", constant),
      plain("coslog4(value, steps)", coslog4),
      plain("cosine(value, steps, end)", cosine, {0}),
      plain("cosine_restarts(value, first, multiply, end)", cosine_restarts, {1, 0}),
      {"cyclic(low, high, up, down, decay)", 5,
       [](const Call& c) {
         const std::size_t down = c.text.arguments.size() > 3 ? 3 : 2;  // as up, if not given
         return cyclic(c.argument<double>(0), c.argument<double>(1), c.argument<std::int64_t>(2),
                       c.argument<std::int64_t>(down), c.argument<double>(4, 1));
       }},
      plain("exponential(value, gamma)", exponential),
      plain("inverse_sqrt(value, warmup)", inverse_sqrt, {1}),
      plain("joined(steps: schedule, …)", joined),
      plain("multi_step(value, gamma, milestone, …)", multi_step),
      {"one_cycle(max, total_steps, pct_start, div_factor, final_div_factor)", 5,
       [](const Call& c) {
         return one_cycle(
             c.argument<double>(0), c.argument<std::int64_t>(1),
             {c.argument<double>(2, 0.3), c.argument<double>(3, 25), c.argument<double>(4, 1e4)});
       }},
      plain("polynomial(value, steps, power, end)", polynomial, {1, 0}),
      plain("ramp(from, to, steps)", ramp),
      plain("rex(value, steps)", rex),
      plain("sqrt_cooldown(value, steps, end)", sqrt_cooldown, {0}),
      plain("sqrt_decay(value)", sqrt_decay),
      plain("step_decay(value, every, gamma)", step_decay, {0.1}),
      plain("swa_lr(before, start, swa_lr, anneal_steps, linear)", swa_lr, {10, 0}),
      plain("warmup(steps, schedule)", warmup),
      plain("wsd(value, warmup, stable, decay, end, sqrt)", wsd, {0, 0})};
  return all;
}

}  // namespace

Expression Expression::parse(std::string_view text) {
  constexpr std::size_t kLongest = 65536;
  if (text.size() > kLongest)
    fail<ValueError>("optimizer", "got a text of ", text.size(), " bytes, expected at most ",
                     kLongest);
  return Parser(text).whole();
}

std::string Expression::to_string() const {
  std::string s = text;
  if (!called) return s;
  s += "(";
  for (const auto& [key, value] : arguments) {
    if (s.back() != '(') s += ", ";
    s += key.empty() ? "" : key.ends_with(':') ? key + " " : key + "=";
    s += value.to_string();
  }
  return s + ")";
}

Hyper parse_hyper(const Expression& e) {
  if (!e.called) {
    if (e.text == "true" || e.text == "false") return e.text == "true" ? 1.0 : 0.0;
    if (const auto x = parse_number(e.text)) return *x;
    fail<ValueError>("optimizer", "got the value '", e.text,
                     "', expected a number, true, false, or a schedule such as cosine(0.001, 500)");
  }
  if (e.text == "scaled") {
    if (e.arguments.size() != 2 || e.arguments[0].value.called || !e.arguments[1].value.called)
      fail<ValueError>("schedule", "got '", e.to_string(), "', expected scaled(factor, schedule)");
    return parse_hyper(e.arguments[1].value).scaled(parse_hyper(e.arguments[0].value)(0));
  }
  // In version 0.1 the schedule ramp was called linear.
  const std::string wanted = e.text == "linear" ? "ramp" : e.text;
  std::vector<std::string_view> names;
  for (const Maker& maker : makers()) {
    names.push_back(maker.signature.substr(0, maker.signature.find('(')));
    if (names.back() != wanted) continue;
    const Call call{e, maker.signature};
    if (e.arguments.size() > maker.most) call.refuse();
    return maker.make(call);
  }
  fail<ValueError>("schedule", "got '", e.text, "', ", expected_one_of(e.text, names));
}

Hyper parse_hyper(std::string_view text) { return parse_hyper(Expression::parse(text)); }

}  // namespace descent::optim
