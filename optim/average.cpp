#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/optim/wrapper_of.h>
#include <descent/optim/wrappers.h>

namespace descent::optim {
namespace {

/// Keeps an average of the weights beside them. Derived classes say how much a new snapshot counts.
template <class Options>
class Averager : public detail::WrapperOf<Options> {
  using Base = detail::WrapperOf<Options>;
  using Base::inner_, Base::parameters, Base::steps, Base::name, Base::key;

 public:
  Averager(std::unique_ptr<detail::Stage> inner, Options options)
      : Base(std::move(inner), std::move(options), detail::Role::averages) {}

  void apply(detail::Update& update) override {
    if (swapped_)
      fail<StateError>(name(),
                       "got a step while the weights are exchanged for their average, "
                       "expected training weights. Hint: call swap_average() again first");
    const std::int64_t now = steps();
    inner_->apply(update);
    if (update.skipped || !takes(now)) return;
    const NoGradGuard guard;
    const double share = weight(now);
    const Parameters& all = parameters();
    if (count_ == 0) {
      average_.clear();
      for (const Parameter& p : all) average_.push_back(kernel::clone(p.value));
    } else {
      for (std::size_t i = 0; i < all.size(); ++i)
        if (average_[i].dtype() != all[i].value.dtype())
          fail<StateError>(
              name(), "got parameter '", all[i].name, "' of ", all[i].value.dtype(), ", expected ",
              average_[i].dtype(),
              " as in its average. Hint: convert a module before the optimizer is made");
      for (std::size_t i = 0; i < all.size(); ++i)
        kernel::copy(average_[i] + (all[i].value - average_[i]) * share, average_[i]);
    }
    ++count_;
  }

  bool keeps_average() const override { return true; }
  bool has_average() const override { return count_ > 0; }
  void swap_average() override {
    if (count_ == 0)
      fail<StateError>(
          name(), "got no snapshot yet, expected at least one. Hint: train past its start first");
    const Parameters& all = parameters();
    std::vector<Tensor> weights;  // all of them first: two parameters may be views of one tensor
    for (const Parameter& p : all) weights.push_back(kernel::clone(p.value));
    for (std::size_t i = 0; i < all.size(); ++i) {
      kernel::copy(average_[i], all[i].value);
      ++all[i].value.body().storage->version;
    }
    average_ = std::move(weights);
    swapped_ = !swapped_;
  }

  void save(State& state) const override {
    refuse_while_swapped("state_dict");
    Base::save(state);
    state[to_text(key(), "/count")] = full({}, count_, kInt64);
    for (std::size_t i = 0; i < average_.size(); ++i)
      state[to_text(key(), "/average/", parameters()[i].name)] = kernel::clone(average_[i]);
  }
  void expect(const State& state, std::vector<detail::StateEntry>& entries) override {
    refuse_while_swapped("load_state_dict");
    Base::expect(state, entries);
    entries.push_back({to_text(key(), "/count"), {}, kInt64, true});
    const auto count = state.find(to_text(key(), "/count"));
    const bool some =
        count != state.end() && count->second.numel() == 1 && count->second.item() > 0;
    for (const Parameter& p : parameters())
      entries.push_back(
          {to_text(key(), "/average/", p.name), p.value.shape(), p.value.dtype(), some});
  }
  void load(const State& state) override {
    Base::load(state);
    count_ = state.at(to_text(key(), "/count")).template item<std::int64_t>();
    average_.clear();
    if (count_ == 0) return;
    for (const Parameter& p : parameters()) {
      average_.push_back(empty_like(p.value));
      kernel::copy(state.at(to_text(key(), "/average/", p.name)), average_.back());
    }
  }

 protected:
  virtual bool takes(std::int64_t step) const = 0;
  virtual double weight(std::int64_t step) const = 0;
  std::int64_t count_ = 0;  // snapshots so far

 private:
  void refuse_while_swapped(const char* op) const {
    if (swapped_)
      fail<StateError>(op, "got weights that are exchanged for their average in ", name(),
                       ", expected training weights. Hint: call swap_average() again first");
  }
  std::vector<Tensor> average_;
  bool swapped_ = false;
};

class Swa final : public Averager<SwaOptions> {
 public:
  using Averager::Averager;

 private:
  bool takes(std::int64_t step) const override {
    const std::int64_t start = whole(options_.start, step);
    return step >= start && (step - start) % whole(options_.every, step) == 0;
  }
  double weight(std::int64_t) const override { return 1 / static_cast<double>(count_ + 1); }
};

class Ema final : public Averager<EmaOptions> {
 public:
  using Averager::Averager;

 private:
  bool takes(std::int64_t) const override { return true; }
  double weight(std::int64_t step) const override { return 1 - options_.decay(step); }
};

class Lookahead final : public detail::WrapperOf<LookaheadOptions> {
 public:
  Lookahead(std::unique_ptr<detail::Stage> inner, LookaheadOptions options)
      : WrapperOf(std::move(inner), std::move(options), detail::Role::moves_weights) {}

  void apply(detail::Update& update) override {
    const Parameters& all = parameters();
    if (slow_.empty()) {
      for (const Parameter& p : all) slow_.push_back(kernel::clone(p.value));
      since_ = 0;
    }
    const std::int64_t k = whole(options_.k, steps());
    const double alpha = options_.alpha(steps());
    inner_->apply(update);
    if (update.skipped || ++since_ < k) return;
    since_ = 0;
    const NoGradGuard guard;
    for (std::size_t i = 0; i < all.size(); ++i) {
      kernel::copy(slow_[i] + (all[i].value - slow_[i]) * alpha, slow_[i]);
      kernel::copy(slow_[i], all[i].value);
      ++all[i].value.body().storage->version;
    }
  }

  void save(State& state) const override {
    Wrapper::save(state);
    state[to_text(key(), "/since")] = full({}, since_, kInt64);
    for (std::size_t i = 0; i < slow_.size(); ++i)
      state[to_text(key(), "/slow/", parameters()[i].name)] = kernel::clone(slow_[i]);
  }
  void expect(const State& state, std::vector<detail::StateEntry>& entries) override {
    Wrapper::expect(state, entries);
    entries.push_back({to_text(key(), "/since"), {}, kInt64, true});
    const auto since = state.find(to_text(key(), "/since"));
    const bool begun =
        since != state.end() && since->second.numel() == 1 && since->second.item() >= 0;
    for (const Parameter& p : parameters())
      entries.push_back(
          {to_text(key(), "/slow/", p.name), p.value.shape(), p.value.dtype(), begun});
  }
  void load(const State& state) override {
    Wrapper::load(state);
    since_ = state.at(to_text(key(), "/since")).item<std::int64_t>();
    slow_.clear();
    for (const Parameter& p : parameters()) {
      const auto found = state.find(to_text(key(), "/slow/", p.name));
      if (found == state.end()) return slow_.clear();
      slow_.push_back(empty_like(p.value));
      kernel::copy(found->second, slow_.back());
    }
  }

 private:
  std::vector<Tensor> slow_;
  std::int64_t since_ = -1;  // inner steps since the weights were brought together; −1: none yet
};

}  // namespace

Optimizer swa(Optimizer inner, SwaOptions options) {
  return detail::wrap_in<Swa>(std::move(inner), std::move(options));
}
Optimizer ema(Optimizer inner, Hyper decay) {
  return detail::wrap_in<Ema>(std::move(inner), EmaOptions{std::move(decay)});
}
Optimizer lookahead(Optimizer inner, LookaheadOptions options) {
  return detail::wrap_in<Lookahead>(std::move(inner), std::move(options));
}

}  // namespace descent::optim
