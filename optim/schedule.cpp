#include <descent/core/error.h>
#include <descent/optim/schedule.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace descent::optim {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr std::int64_t kMost = 1'000'000'000'000'000;  // of a count: sums of counts stay exact

/// An argument of a schedule as text. If it cannot be used, `fault` says why.
struct Given {
  std::string text, fault;

  Given(const Hyper& any) : text(any.text()) {}
  Given(const char* name, double x) : text(to_text(x)) {
    if (!std::isfinite(x)) fault = to_text("got ", name, " = ", x, ", expected a finite number");
  }
  Given(const char* name, std::int64_t n, std::int64_t least = 1) : text(to_text(n)) {
    if (n < least) fault = to_text("got ", name, " = ", n, ", expected ", least, " or more");
    if (n > kMost) fault = to_text("got ", name, " = ", n, ", expected at most 1e15");
  }
};

/// Returns the text of a schedule: "cosine(0.001, 500)". `more` follows the arguments. Throws
/// ValueError for an argument that cannot be used.
std::string call(const char* schedule, std::initializer_list<Given> arguments,
                 const std::string& more = "") {
  std::string text = to_text(schedule, "(");
  for (const Given& given : arguments) {
    if (!given.fault.empty()) fail<ValueError>(schedule, given.fault);
    text += (text.back() == '(' ? "" : ", ") + given.text;
  }
  return text + more + ")";
}

double share(std::int64_t t, std::int64_t steps) {
  return std::clamp(static_cast<double>(t) / static_cast<double>(steps), 0.0, 1.0);
}
double along_cosine(double from, double to, double s) {
  return to + (from - to) * (1 + std::cos(kPi * s)) / 2;
}

}  // namespace

Hyper::Hyper(Schedule schedule) : schedule_(std::make_shared<const Schedule>(std::move(schedule))) {
  if (!schedule_->at)
    fail<ValueError>("schedule", "got '", schedule_->text,
                     "' without a function, expected one that gives the value at a step");
}

void Schedule::fail() const {
  descent::fail<StateError>("schedule", "got '", text,
                            "' without a function, expected one that gives the value at a step. "
                            "Hint: was the schedule moved away?");
}

void Hyper::settle(std::int64_t step) {
  if (!schedule_) return;
  value_ = scale_ * (*schedule_)(step);
  settled_at_ = step;
}

Hyper Hyper::scaled(double factor) const {
  if (!std::isfinite(factor))
    descent::fail<ValueError>("scaled", "got factor = ", factor, ", expected a finite number");
  return schedule_ ? with_scale(scale_ * factor) : Hyper(value_ * factor);
}

Hyper Hyper::with_scale(double scale) const {
  Hyper h = *this;
  h.scale_ = scale;
  h.settled_at_ = INT64_MIN;
  return h;
}

std::string Hyper::text() const {
  if (!schedule_) return to_text(value_);
  return scale_ == 1 ? schedule_->text : to_text("scaled(", scale_, ", ", schedule_->text, ")");
}

Schedule constant(double value) {
  return {[=](std::int64_t) { return value; }, to_text("constant(", value, ")")};
}

Schedule step_decay(double value, std::int64_t every, double gamma) {
  return {[=](std::int64_t t) {
            const std::int64_t decays = t / every;
            return value * std::pow(gamma, static_cast<double>(decays));
          },
          call("step_decay", {{"value", value}, {"every", every}, {"gamma", gamma}})};
}

Schedule multi_step(double value, double gamma, std::vector<std::int64_t> milestones) {
  std::sort(milestones.begin(), milestones.end());
  std::string more;
  for (const std::int64_t m : milestones) more += to_text(", ", m);
  return {[=](std::int64_t t) {
            const auto reached =
                std::upper_bound(milestones.begin(), milestones.end(), t) - milestones.begin();
            return value * std::pow(gamma, static_cast<double>(reached));
          },
          call("multi_step", {{"value", value}, {"gamma", gamma}}, more)};
}

Schedule polynomial(double value, std::int64_t steps, double power, double end) {
  return {
      [=](std::int64_t t) { return end + (value - end) * std::pow(1 - share(t, steps), power); },
      call("polynomial", {{"value", value}, {"steps", steps}, {"power", power}, {"end", end}})};
}

Schedule cosine_restarts(double value, std::int64_t first, std::int64_t multiply, double end) {
  return {[=](std::int64_t t) {
            std::int64_t period = first;
            if (multiply == 1) t %= period;
            while (t >= period) {
              t -= period;
              if (period > std::numeric_limits<std::int64_t>::max() / multiply) break;
              period *= multiply;
            }
            return along_cosine(value, end, share(t, period));
          },
          call("cosine_restarts",
               {{"value", value}, {"first", first}, {"multiply", multiply}, {"end", end}})};
}

Schedule cyclic(double low, double high, std::int64_t up, std::int64_t down, double decay) {
  return {
      [=](std::int64_t t) {
        const std::int64_t cycle = t / (up + down), at = t % (up + down);
        const double height = at <= up ? share(at, up) : 1 - share(at - up, down);
        return low + (high - low) * height * std::pow(decay, static_cast<double>(cycle));
      },
      call("cyclic", {{"low", low}, {"high", high}, {"up", up}, {"down", down}, {"decay", decay}})};
}

Schedule inverse_sqrt(double value, std::int64_t warmup) {
  return {[=](std::int64_t t) {
            const double share = static_cast<double>(t + 1) / static_cast<double>(warmup);
            return value * std::min(share, 1 / std::sqrt(share));
          },
          call("inverse_sqrt", {{"value", value}, {"warmup", warmup}})};
}

Schedule sqrt_cooldown(double value, std::int64_t steps, double end) {
  return {[=](std::int64_t t) { return end + (value - end) * (1 - std::sqrt(share(t, steps))); },
          end == 0 ? call("sqrt_cooldown", {{"value", value}, {"steps", steps}})
                   : call("sqrt_cooldown", {{"value", value}, {"steps", steps}, {"end", end}})};
}

Schedule rex(double value, std::int64_t steps) {
  return {[=](std::int64_t t) {
            const double left = 1 - share(t, steps);
            return value * left / (0.5 + 0.5 * left);
          },
          call("rex", {{"value", value}, {"steps", steps}})};
}

Schedule wsd(double value, std::int64_t warmup, std::int64_t stable, std::int64_t decay, double end,
             Cooldown cooldown) {
  return {[=](std::int64_t t) {
            if (t < warmup) return value * static_cast<double>(t + 1) / static_cast<double>(warmup);
            const double s = t - warmup < stable ? 0 : share(t - warmup - stable, decay);
            return value + (end - value) * (cooldown == Cooldown::sqrt ? std::sqrt(s) : s);
          },
          call("wsd",
               {{"value", value},
                {"warmup", warmup, 0},
                {"stable", stable, 0},
                {"decay", decay},
                {"end", end}},
               cooldown == Cooldown::sqrt ? ", sqrt" : "")};
}

Schedule sqrt_decay(double value) {
  return {[=](std::int64_t t) { return value / std::sqrt(static_cast<double>(t + 1)); },
          call("sqrt_decay", {{"value", value}})};
}

Schedule exponential(double value, double gamma) {
  return {[=](std::int64_t t) { return value * std::pow(gamma, static_cast<double>(t)); },
          call("exponential", {{"value", value}, {"gamma", gamma}})};
}

Schedule ramp(double from, double to, std::int64_t steps) {
  return {[=](std::int64_t t) { return from + (to - from) * share(t, steps); },
          call("ramp", {{"from", from}, {"to", to}, {"steps", steps}})};
}

Schedule cosine(double value, std::int64_t steps, double end) {
  return {[=](std::int64_t t) { return along_cosine(value, end, share(t, steps)); },
          end == 0 ? call("cosine", {{"value", value}, {"steps", steps}})
                   : call("cosine", {{"value", value}, {"steps", steps}, {"end", end}})};
}

Schedule coslog4(double value, std::int64_t steps) {
  return {[=](std::int64_t t) {
            return along_cosine(0, value, 2 * std::log2(1 + 15 * share(t, steps)));
          },
          call("coslog4", {{"value", value}, {"steps", steps}})};
}

Schedule warmup(std::int64_t steps, Hyper then) {
  return {[=](std::int64_t t) {
            if (t >= steps) return then(t - steps);
            return then(0) * static_cast<double>(t + 1) / static_cast<double>(steps);
          },
          call("warmup", {{"steps", steps}, then})};
}

Schedule joined(std::vector<std::pair<std::int64_t, Hyper>> parts) {
  if (parts.empty()) fail<ValueError>("joined", "got no parts, expected at least one");
  std::string text = "joined(";
  for (const auto& [steps, part] : parts) {
    const Given given("steps", steps);
    if (!given.fault.empty()) fail<ValueError>("joined", given.fault);
    text += to_text(text.back() == '(' ? "" : ", ", given.text, ": ", part.text());
  }
  return {[parts](std::int64_t t) {
            for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
              if (t < parts[i].first) return parts[i].second(t);
              t -= parts[i].first;
            }
            return parts.back().second(t);
          },
          text + ")"};
}

Schedule one_cycle(double max, std::int64_t total, OneCycleOptions o) {
  std::string text = call("one_cycle", {{"max", max}, {"total_steps", total}},
                          to_text(", ", o.pct_start, ", ", o.div_factor, ", ", o.final_div_factor));
  if (!(o.pct_start >= 0 && o.pct_start <= 1))
    fail<ValueError>("one_cycle", "got pct_start = ", o.pct_start, ", expected a number in [0, 1]");
  if (!(o.div_factor > 0 && o.final_div_factor > 0))
    fail<ValueError>("one_cycle", "got div_factor = ", o.div_factor,
                     " and final_div_factor = ", o.final_div_factor, ", expected positive numbers");
  const double start = max / o.div_factor, end = start / o.final_div_factor;
  const double peak = o.pct_start * static_cast<double>(total) - 1,
               last = static_cast<double>(total) - 1;
  return {[=](std::int64_t t) {
            const double x = std::min(static_cast<double>(t), last);
            if (x <= peak) return along_cosine(start, max, peak > 0 ? x / peak : 1);
            return along_cosine(max, end, last > peak ? (x - peak) / (last - peak) : 1);
          },
          text};
}

Schedule swa_lr(Hyper before, std::int64_t start, double rate, std::int64_t anneal_steps,
                Anneal anneal) {
  return {[=](std::int64_t t) {
            if (t < start) return before(t);
            const double s = share(t - start, anneal_steps);
            const double a = anneal == Anneal::cosine ? (1 - std::cos(kPi * s)) / 2 : s;
            return rate * a + before(start) * (1 - a);
          },
          call("swa_lr",
               {before, {"start", start, 0}, {"swa_lr", rate}, {"anneal_steps", anneal_steps}},
               anneal == Anneal::linear ? ", linear" : "")};
}

}  // namespace descent::optim
