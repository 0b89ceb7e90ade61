#include <descent/core/error.h>
#include <descent/optim/names/description.h>
#include <descent/optim/schedule.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>

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
    do {
      const std::size_t start = at_;
      std::string key = word();
      if (!key.empty() && take('=')) {
      } else if (!key.empty() && take(':')) {
        key += ':';
      } else {
        key.clear();
        at_ = start;
      }
      e.arguments.push_back({std::move(key), expression(depth + 1)});
    } while (take(','));
    if (!take(')')) stop("',' or ')'");
    return e;
  }

  std::string word() {
    space();
    const std::size_t start = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_' ||
            text_[at_] == '.' || text_[at_] == '-' || text_[at_] == '+'))
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
    fail<ValueError>("optimizer", "got '", text_, "', expected ", expected, " after '",
                     text_.substr(0, at_), "'. Hint: ",
                     at_ < text_.size() && text_[at_] == '+'
                         ? "+ joins groups, and text does not say which parameters each has: make "
                           "the first, then add_group()"
                         : "for example sam(adamw(lr=0.001), rho=0.05)");
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool to_number(const std::string& text, double& x) {
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(begin, end, x);
  return result.ec == std::errc() && result.ptr == end;
}

/// Reads the arguments of a schedule by position.
class Arguments {
 public:
  Arguments(const Expression& e, const char* signature) : e_(e), signature_(signature) {}
  std::size_t size() const { return e_.arguments.size(); }
  Hyper hyper(std::size_t i) const {
    if (i >= size() || !e_.arguments[i].key.empty()) refuse();
    return parse_hyper(e_.arguments[i].value);
  }
  double number(std::size_t i) const {
    const Hyper h = hyper(i);
    if (!h.is_constant()) refuse();
    return h(0);
  }
  double number(std::size_t i, double otherwise) const {
    return i < size() ? number(i) : otherwise;
  }
  std::int64_t count(std::size_t i) const { return to_count(number(i)); }
  std::string word(std::size_t i) const { return i < size() ? e_.arguments[i].value.text : ""; }
  /// Reads all arguments as pairs, for joined(10: a, 1: b).
  std::vector<std::pair<std::int64_t, Hyper>> pairs() const {
    std::vector<std::pair<std::int64_t, Hyper>> all;
    for (const auto& [key, value] : e_.arguments) {
      double n = 0;
      if (!key.ends_with(':') || !to_number(key.substr(0, key.size() - 1), n)) refuse();
      all.emplace_back(to_count(n), parse_hyper(value));
    }
    return all;
  }
  void at_most(std::size_t n) const {
    if (size() > n) refuse();
  }
  [[noreturn]] void refuse() const {
    fail<ValueError>("schedule", "got '", e_.to_string(), "', expected ", signature_);
  }

 private:
  std::int64_t to_count(double x) const {
    if (!(std::fabs(x) < 1e15) || x != std::floor(x)) refuse();
    return static_cast<std::int64_t>(x);
  }
  const Expression& e_;
  const char* signature_;
};

struct Maker {
  const char* signature;
  std::size_t most;  // the most arguments
  std::function<Schedule(const Arguments&)> make;
};

/// The i-th argument of a schedule as its function takes it. An absent one has the default value.
template <class T>
T argument(const Arguments& a, std::size_t i, double otherwise) {
  if constexpr (std::is_same_v<T, Hyper>) return a.hyper(i);
  if constexpr (std::is_same_v<T, std::int64_t>)
    return i < a.size() || std::isnan(otherwise) ? a.count(i) : static_cast<T>(otherwise);
  if constexpr (std::is_same_v<T, double>)
    return i < a.size() || std::isnan(otherwise) ? a.number(i) : otherwise;
}

/// A schedule whose function takes numbers, counts and schedules. The defaults are those of its
/// last parameters.
template <class... P>
Maker plain(const char* signature, Schedule (*make)(P...), std::vector<double> defaults = {}) {
  defaults.insert(defaults.begin(), sizeof...(P) - defaults.size(), std::nan(""));
  return {signature, sizeof...(P), [make, defaults](const Arguments& a) {
            return [&]<std::size_t... K>(std::index_sequence<K...>) {
              return make(argument<P>(a, K, defaults[K])...);
            }
            (std::index_sequence_for<P...>());
          }};
}

constexpr std::size_t kAnyNumber = 1000;

const std::map<std::string, Maker>& makers() {
  using A = Arguments;
  static const std::map<std::string, Maker> all = [] {
    std::map<std::string, Maker> named;
    for (const Maker& m : std::initializer_list<Maker>{
             plain("constant(value)", constant),
             plain("step_decay(value, every, gamma)", step_decay, {0.1}),
             plain("exponential(value, gamma)", exponential),
             plain("ramp(from, to, steps)", ramp),
             plain("polynomial(value, steps, power, end)", polynomial, {1, 0}),
             plain("cosine(value, steps, end)", cosine, {0}),
             plain("cosine_restarts(value, first, multiply, end)", cosine_restarts, {1, 0}),
             plain("inverse_sqrt(value, warmup)", inverse_sqrt, {1}),
             plain("sqrt_decay(value)", sqrt_decay),
             plain("warmup(steps, schedule)", warmup),
             {"joined(steps: schedule, …)", kAnyNumber,
              [](const A& a) { return joined(a.pairs()); }},
             {"multi_step(value, gamma, milestone, …)", kAnyNumber,
              [](const A& a) {
                std::vector<std::int64_t> milestones;
                for (std::size_t i = 2; i < a.size(); ++i) milestones.push_back(a.count(i));
                return multi_step(a.number(0), a.number(1), std::move(milestones));
              }},
             {"one_cycle(max, total_steps, pct_start, div_factor, final_div_factor)", 5,
              [](const A& a) {
                return one_cycle(a.number(0), a.count(1),
                                 {a.number(2, 0.3), a.number(3, 25), a.number(4, 1e4)});
              }},
             {"cyclic(low, high, up, down, decay)", 5,
              [](const A& a) {
                return cyclic(a.number(0), a.number(1), a.count(2), a.count(a.size() > 3 ? 3 : 2),
                              a.number(4, 1));
              }},
             {"swa_lr(before, start, swa_lr, anneal_steps, linear)", 5, [](const A& a) {
                if (a.size() > 4 && a.word(4) != "linear" && a.word(4) != "cosine") a.refuse();
                return swa_lr(a.hyper(0), a.count(1), a.number(2), a.size() > 3 ? a.count(3) : 10,
                              a.word(4) == "linear" ? Anneal::linear : Anneal::cosine);
              }}})
      named.emplace(std::string(m.signature, std::strchr(m.signature, '(')), m);
    return named;
  }();
  return all;
}

}  // namespace

Expression Expression::parse(std::string_view text) { return Parser(text).whole(); }

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
    double x = 0;
    if (e.text == "true" || e.text == "false") return e.text == "true" ? 1.0 : 0.0;
    if (to_number(e.text, x)) return x;
    fail<ValueError>("optimizer", "got the value '", e.text,
                     "', expected a number, true, false, or a schedule such as cosine(0.001, 500)");
  }
  // In version 0.1 the schedule ramp was called linear.
  const auto found = makers().find(e.text == "linear" ? "ramp" : e.text);
  if (found == makers().end()) {
    std::vector<std::string> names;
    for (const auto& [name, maker] : makers()) names.push_back(name);
    fail<ValueError>("schedule", "got '", e.text, "', ", expected_one_of(e.text, names));
  }
  const Arguments arguments(e, found->second.signature);
  arguments.at_most(found->second.most);
  return found->second.make(arguments);
}

Hyper parse_hyper(std::string_view text) { return parse_hyper(Expression::parse(text)); }

}  // namespace descent::optim
