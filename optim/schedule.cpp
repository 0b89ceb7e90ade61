#include <descent/core/error.h>
#include <descent/optim/schedule.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace descent::optim {
namespace {

constexpr double kPi = std::numbers::pi;

void check(const char* schedule, const char* what, double x) {
  if (!std::isfinite(x))
    fail<ValueError>(schedule, "got ", what, " = ", x, ", expected a finite number");
}
void check_count(const char* schedule, const char* what, std::int64_t n) {
  if (n < 1) fail<ValueError>(schedule, "got ", what, " = ", n, ", expected 1 or more");
}
double share(std::int64_t t, std::int64_t steps) {
  return std::clamp(static_cast<double>(t) / static_cast<double>(steps), 0.0, 1.0);
}
double along_cosine(double from, double to, double s) {
  return to + (from - to) * (1 + std::cos(kPi * s)) / 2;
}

}  // namespace

std::string Hyper::text() const { return schedule_ ? schedule_->text : to_text(value_); }

Schedule constant(double value) {
  return {[=](std::int64_t) { return value; }, to_text("constant(", value, ")")};
}

Schedule step_decay(double value, std::int64_t every, double gamma) {
  check("step_decay", "value", value);
  check("step_decay", "gamma", gamma);
  check_count("step_decay", "every", every);
  return {[=](std::int64_t t) { return value * std::pow(gamma, static_cast<double>(t / every)); },
          to_text("step_decay(", value, ", ", every, ", ", gamma, ")")};
}

Schedule multi_step(double value, double gamma, std::vector<std::int64_t> milestones) {
  check("multi_step", "value", value);
  check("multi_step", "gamma", gamma);
  std::sort(milestones.begin(), milestones.end());
  std::string text = to_text("multi_step(", value, ", ", gamma);
  for (const std::int64_t m : milestones) text += to_text(", ", m);
  return {[=](std::int64_t t) {
            const auto reached =
                std::upper_bound(milestones.begin(), milestones.end(), t) - milestones.begin();
            return value * std::pow(gamma, static_cast<double>(reached));
          },
          text + ")"};
}

Schedule polynomial(double value, std::int64_t steps, double power, double end) {
  check("polynomial", "value", value);
  check("polynomial", "power", power);
  check("polynomial", "end", end);
  check_count("polynomial", "steps", steps);
  return {
      [=](std::int64_t t) { return end + (value - end) * std::pow(1 - share(t, steps), power); },
      to_text("polynomial(", value, ", ", steps, ", ", power, ", ", end, ")")};
}

Schedule cosine_restarts(double value, std::int64_t first, std::int64_t multiply, double end) {
  check("cosine_restarts", "value", value);
  check("cosine_restarts", "end", end);
  check_count("cosine_restarts", "first", first);
  check_count("cosine_restarts", "multiply", multiply);
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
          to_text("cosine_restarts(", value, ", ", first, ", ", multiply, ", ", end, ")")};
}

Schedule cyclic(double low, double high, std::int64_t up, std::int64_t down, double decay) {
  check("cyclic", "low", low);
  check("cyclic", "high", high);
  check("cyclic", "decay", decay);
  check_count("cyclic", "up", up);
  check_count("cyclic", "down", down);
  return {[=](std::int64_t t) {
            const std::int64_t cycle = t / (up + down), at = t % (up + down);
            const double height = at <= up ? share(at, up) : 1 - share(at - up, down);
            return low + (high - low) * height * std::pow(decay, static_cast<double>(cycle));
          },
          to_text("cyclic(", low, ", ", high, ", ", up, ", ", down, ", ", decay, ")")};
}

Schedule inverse_sqrt(double value, std::int64_t warmup) {
  check("inverse_sqrt", "value", value);
  check_count("inverse_sqrt", "warmup", warmup);
  return {[=](std::int64_t t) {
            const double share = static_cast<double>(t + 1) / static_cast<double>(warmup);
            return value * std::min(share, 1 / std::sqrt(share));
          },
          to_text("inverse_sqrt(", value, ", ", warmup, ")")};
}

Schedule sqrt_decay(double value) {
  check("sqrt_decay", "value", value);
  return {[=](std::int64_t t) { return value / std::sqrt(static_cast<double>(t + 1)); },
          to_text("sqrt_decay(", value, ")")};
}

Schedule exponential(double value, double gamma) {
  check("exponential", "value", value);
  check("exponential", "gamma", gamma);
  return {[=](std::int64_t t) { return value * std::pow(gamma, static_cast<double>(t)); },
          to_text("exponential(", value, ", ", gamma, ")")};
}

Schedule ramp(double from, double to, std::int64_t steps) {
  check("ramp", "from", from);
  check("ramp", "to", to);
  check_count("ramp", "steps", steps);
  return {[=](std::int64_t t) { return from + (to - from) * share(t, steps); },
          to_text("ramp(", from, ", ", to, ", ", steps, ")")};
}

Schedule cosine(double value, std::int64_t steps, double end) {
  check("cosine", "value", value);
  check("cosine", "end", end);
  check_count("cosine", "steps", steps);
  return {[=](std::int64_t t) { return along_cosine(value, end, share(t, steps)); },
          to_text("cosine(", value, ", ", steps, end == 0 ? "" : to_text(", ", end), ")")};
}

Schedule warmup(std::int64_t steps, Hyper then) {
  check_count("warmup", "steps", steps);
  return {[=](std::int64_t t) {
            if (t >= steps) return then(t - steps);
            return then(0) * static_cast<double>(t + 1) / static_cast<double>(steps);
          },
          to_text("warmup(", steps, ", ", then.text(), ")")};
}

Schedule joined(std::vector<std::pair<std::int64_t, Hyper>> parts) {
  if (parts.empty()) fail<ValueError>("joined", "got no parts, expected at least one");
  std::string text = "joined(";
  for (const auto& [steps, part] : parts) {
    check_count("joined", "steps", steps);
    text += to_text(text.back() == '(' ? "" : ", ", steps, ": ", part.text());
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
  check("one_cycle", "max", max);
  check_count("one_cycle", "total_steps", total);
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
          to_text("one_cycle(", max, ", ", total, ", ", o.pct_start, ", ", o.div_factor, ", ",
                  o.final_div_factor, ")")};
}

Schedule swa_lr(Hyper before, std::int64_t start, double rate, std::int64_t anneal_steps,
                Anneal anneal) {
  check("swa_lr", "swa_lr", rate);
  check_count("swa_lr", "anneal_steps", anneal_steps);
  if (start < 0) fail<ValueError>("swa_lr", "got start = ", start, ", expected 0 or more");
  return {[=](std::int64_t t) {
            if (t < start) return before(t);
            const double s = share(t - start, anneal_steps);
            const double a = anneal == Anneal::cosine ? (1 - std::cos(kPi * s)) / 2 : s;
            return rate * a + before(start) * (1 - a);
          },
          to_text("swa_lr(", before.text(), ", ", start, ", ", rate, ", ", anneal_steps,
                  anneal == Anneal::linear ? ", linear)" : ")")};
}

}  // namespace descent::optim
