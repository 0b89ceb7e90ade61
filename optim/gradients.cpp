// Wrappers that hand other gradients on: noise, accumulation; and what may go around what.
#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/accumulate.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/random.h>
#include <descent/optim/engine/rule_stage.h>
#include <descent/optim/wrapper_of.h>
#include <descent/optim/wrappers.h>

#include <cmath>

namespace descent::optim {

using detail::Role;

void detail::check_order(std::string_view wrapper, Role role, Stage& inner) {
  const auto refuse = [&](const char* reason) {
    fail<ValueError>(wrapper, "got ", inner.text(), " inside, expected another order: ", reason);
  };
  Stage* bottom = &inner;
  for (Stage* s = &inner; s; s = s->inner()) {
    bottom = s;
    if (role == Role::climbs && s->name() == "sam") refuse("SAM inside SAM would climb twice");
    if (role == Role::moves_weights && (s->name() == "ema" || s->name() == "swa"))
      refuse("the average would be of weights that are moved afterwards. Hint: put it outside");
  }
  const auto& rules = dynamic_cast<RuleStage&>(*bottom);
  const bool gradients =
      role == Role::changes_elements || role == Role::changes_gradients || role == Role::climbs;
  if (gradients && rules.searches())
    refuse("its line search evaluates gradients of its own, which this would not reach");
  if ((role == Role::averages || role == Role::moves_weights) && rules.keeps_average())
    refuse("this rule keeps an average itself. Hint: swap_average() works without a wrapper");
}

namespace {

class Noise final : public detail::WrapperOf<NoiseOptions> {
 public:
  Noise(std::unique_ptr<detail::Stage> inner, NoiseOptions options)
      : WrapperOf(std::move(inner), std::move(options), Role::changes_gradients) {}

  void apply(detail::Update& update) override {
    const NoGradGuard guard;
    const Parameters& all = parameters();
    const auto t = static_cast<double>(steps());
    const double spread =
        std::sqrt(options_.eta(steps()) / std::pow(1 + t, options_.gamma(steps())));
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Tensor g = update.seen(all, i);
      if (!g.defined()) continue;
      // A stream of its own for each step and parameter: nothing to save.
      Generator generator(static_cast<std::uint64_t>(options_.seed(steps())) * 0x9E3779B97F4A7C15u +
                          static_cast<std::uint64_t>(steps()) * 1000003u + i);
      // In double for every type, so that all see the same noise.
      update.replace(all, i, g + (randn(g.shape(), generator, kFloat64) * spread).to(g.dtype()));
    }
    inner_->apply(update);
  }
};

class Accumulate final : public detail::WrapperOf<AccumulateOptions> {
 public:
  Accumulate(std::unique_ptr<detail::Stage> inner, AccumulateOptions options)
      : WrapperOf(std::move(inner), std::move(options), Role::changes_elements) {}

  void apply(detail::Update& update) override {
    if (refuses(update)) {  // before it could spoil the sum
      update.skipped = true;
      return;
    }
    const NoGradGuard guard;
    const Parameters& all = parameters();
    sums_.resize(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Tensor g = update.seen(all, i);
      if (!g.defined()) continue;
      if (!sums_[i].defined())
        sums_[i] = kernel::clone(g);
      else
        kernel::copy(sums_[i] + g, sums_[i]);
    }
    const std::int64_t k = whole(options_.steps, steps());
    if (++count_ < k) {
      update.skipped = true;
      return;
    }
    for (std::size_t i = 0; i < all.size(); ++i)
      update.replace(
          all, i, sums_[i].defined() ? sums_[i] * (1.0 / static_cast<double>(count_)) : Tensor());
    inner_->apply(update);  // when it throws, the sums are kept
    sums_.clear();
    count_ = 0;
  }

  void save(State& state) const override {
    Wrapper::save(state);
    state[to_text(key(), "/count")] = full({}, count_, kInt64);
    for (std::size_t i = 0; i < sums_.size(); ++i)
      if (sums_[i].defined())
        state[to_text(key(), "/sum/", parameters()[i].name)] = kernel::clone(sums_[i]);
  }
  void expect(const State& state, std::vector<detail::StateEntry>& entries) override {
    Wrapper::expect(state, entries);
    entries.push_back({to_text(key(), "/count"), {}, kInt64, true});
    for (const Parameter& p : parameters())
      entries.push_back({to_text(key(), "/sum/", p.name), p.value.shape(), p.value.dtype(), false});
  }
  void load(const State& state) override {
    Wrapper::load(state);
    count_ = state.at(to_text(key(), "/count")).item<std::int64_t>();
    sums_.assign(parameters().size(), Tensor());
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      const auto found = state.find(to_text(key(), "/sum/", parameters()[i].name));
      if (found != state.end()) sums_[i] = kernel::clone(found->second);
    }
  }

 private:
  std::vector<Tensor> sums_;  // empty between steps
  std::int64_t count_ = 0;
};

class SkipNonFinite final : public detail::WrapperOf<SkipNonFiniteOptions> {
 public:
  explicit SkipNonFinite(std::unique_ptr<detail::Stage> inner)
      : WrapperOf(std::move(inner), {}, Role::neither) {
    Stage* bottom = inner_.get();
    while (bottom->inner()) bottom = bottom->inner();
    dynamic_cast<detail::RuleStage&>(*bottom).policy = NonFinite::skip;
  }
};

}  // namespace

Optimizer noise(Optimizer inner, NoiseOptions options) {
  return detail::wrap_in<Noise>(std::move(inner), std::move(options));
}
Optimizer accumulate(Optimizer inner, Hyper steps) {
  return detail::wrap_in<Accumulate>(std::move(inner), AccumulateOptions{std::move(steps)});
}
Optimizer skip_non_finite(Optimizer inner) {
  return detail::wrap_in<SkipNonFinite>(std::move(inner));
}

}  // namespace descent::optim
