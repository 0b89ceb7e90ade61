#include "run/optimizer.h"

#include <array>
#include <cmath>

namespace app {

using namespace descent;

namespace {

constexpr std::array kSchedules{
    Schedule{"constant", "the same rate throughout",
             [](double lr, std::int64_t) { return optim::Hyper(lr); }},
    Schedule{"step", "a tenth of the rate after each third of the run",
             [](double lr, std::int64_t steps) {
               return optim::Hyper(
                   optim::step_decay(lr, std::max<std::int64_t>(1, steps / 3), 0.1));
             }},
    Schedule{"exponential", "down to a hundredth, by the same factor each step",
             [](double lr, std::int64_t steps) {
               return optim::Hyper(
                   optim::exponential(lr, std::pow(0.01, 1.0 / static_cast<double>(steps))));
             }},
    Schedule{"linear", "down to 0 along a line",
             [](double lr, std::int64_t steps) { return optim::Hyper(optim::ramp(lr, 0, steps)); }},
    Schedule{"cosine", "down to 0 along half a cosine",
             [](double lr, std::int64_t steps) { return optim::Hyper(optim::cosine(lr, steps)); }},
    Schedule{"coslog4", "four waves from 0 to the rate and back, each twice as long",
             [](double lr, std::int64_t steps) { return optim::Hyper(optim::coslog4(lr, steps)); }},
    Schedule{
        "one_cycle", "up to the rate and down again, along cosines",
        [](double lr, std::int64_t steps) { return optim::Hyper(optim::one_cycle(lr, steps)); }},
    Schedule{"plateau", "times 0.3 where the validation loss stops falling",
             [](double lr, std::int64_t) { return optim::Hyper(lr); }, true},
};

optim::Hyper rate(const Options& o, double lr, std::int64_t steps) {
  const std::int64_t left = std::max<std::int64_t>(1, steps - o.warmup);
  const optim::Hyper h = choose("--schedule", schedules(), o.schedule).make(lr, left);
  return o.warmup > 0 ? optim::Hyper(optim::warmup(o.warmup, h)) : h;
}

}  // namespace

std::span<const Schedule> schedules() { return kSchedules; }

std::string to_string(const Settings& settings) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : settings)
    parts.push_back(to_text(name, "=", format(value, "%.6g")));
  return joined(parts, " ");
}

const double* rate_of(const Settings& settings) {
  for (const auto& [name, value] : settings)
    if (name == "lr") return &value;
  return nullptr;
}

Settings given_settings(const Options& o) {
  Settings settings;
  for (const std::string& s : o.set) {
    const std::size_t equals = s.find('=');
    const std::string name = s.substr(0, equals),
                      text = equals == std::string::npos ? "" : s.substr(equals + 1);
    if (name == "lr")
      fail<UsageError>(
          "--set", "got '", s,
          "', expected the rate as --lr. Hint: --lr goes with --schedule and --warmup");
    const std::optional<double> value = text == "true" || text == "false"
                                            ? std::optional(text == "true" ? 1.0 : 0.0)
                                            : parse_number(text);
    if (name.empty() || !value)
      fail<UsageError>("--set", "got '", s,
                       "', expected name=number. Hint: for example --set weight_decay=0.05");
    settings.emplace_back(name, *value);
  }
  return settings;
}

Described::Described(const std::string& text) : expression_(optim::Expression::parse(text)) {
  const optim::Expression* e = &expression_;
  while ((rule_ = &optim::find_optimizer(e->text))->is_wrapper) {
    const auto inner = std::ranges::find(e->arguments, "", &optim::Argument::key);
    if (inner == e->arguments.end()) return;  // optim::make() will throw and say what is missing
    e = &inner->value;
  }
  has_rate_ = std::ranges::find(e->arguments, "lr", &optim::Argument::key) != e->arguments.end();
}

bool Described::takes_rate() const {
  return std::ranges::find(rule_->fields, "lr", &optim::Field::name) != rule_->fields.end();
}

double Described::default_rate() const {
  const Settings all = defaults();
  const double* lr = rate_of(all);
  return lr == nullptr ? 0 : *lr;
}

Settings Described::defaults() const {
  Settings all;
  for (const auto& field : rule_->fields)
    if (const auto value = parse_number(field.text)) all.emplace_back(field.name, *value);
  return all;
}

std::vector<std::string> rule_names() {
  std::vector<std::string> names;
  for (const auto& entry : optim::registry())
    if (!entry.is_wrapper) names.push_back(entry.name);
  return names;
}

optim::Optimizer make_optimizer(const Options& o, const Parameters& parameters,
                                std::int64_t steps) {
  const Described described(o.optimizer);
  if (described.has_rate() && (o.lr > 0 || o.schedule != "constant" || o.warmup > 0))
    fail<UsageError>("--optimizer", "got '", o.optimizer,
                     "' with a rate of its own, and --lr, --schedule or --warmup, expected one of "
                     "them. Hint: a schedule fits into the text, as lr=cosine(0.001, 500)");
  optim::Entry::Settings settings;
  if (!described.takes_rate() && (o.lr > 0 || o.schedule != "constant" || o.warmup > 0))
    fail<UsageError>("--optimizer", "got '", o.optimizer,
                     "', which has no rate, and --lr, --schedule or --warmup, expected none of "
                     "them. Hint: descent explain lists its settings");
  if (described.takes_rate() && !described.has_rate())
    settings.emplace("lr", rate(o, o.lr > 0 ? o.lr : described.default_rate(), steps));
  for (const auto& [name, value] : given_settings(o)) settings.insert_or_assign(name, value);
  optim::Optimizer optimizer = optim::make(described.expression(), parameters, settings);
  if (o.clip_value > 0) optimizer = optim::clip_value(std::move(optimizer), o.clip_value);
  if (o.clip_norm > 0) optimizer = optim::clip_norm(std::move(optimizer), o.clip_norm);
  if (o.sam > 0) optimizer = optim::sam(std::move(optimizer), {.rho = o.sam});
  if (o.ema > 0) optimizer = optim::ema(std::move(optimizer), o.ema);
  if (o.swa > 0)
    optimizer =
        optim::swa(std::move(optimizer),
                   {.start = static_cast<std::int64_t>(o.swa * static_cast<double>(steps))});
  return optimizer;
}

}  // namespace app
