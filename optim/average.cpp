#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/optim/wrappers.h>

namespace descent::optim {
namespace {

/// Keeps an average of the weights beside them. Derived classes say how much a new snapshot counts.
class Averager : public detail::Wrapper {
 public:
  using Wrapper::Wrapper;

  void apply(detail::Update& update) override {
    if (swapped_)
      fail<StateError>(name(),
                       "got a step while the weights are exchanged for their average, "
                       "expected training weights. Hint: call swap_average() again first");
    inner_->apply(update);
    const std::int64_t now = step_++;
    if (update.skipped || !takes(now)) return;
    const NoGradGuard guard;
    const double share = weight(now);
    const Parameters& all = parameters();
    if (count_ == 0) {
      average_.clear();
      for (const Parameter& p : all) average_.push_back(kernel::clone(p.value));
    } else {
      for (std::size_t i = 0; i < all.size(); ++i)
        kernel::copy(average_[i] + (all[i].value - average_[i]) * share, average_[i]);
    }
    ++count_;
  }

  bool swap_average() override {
    if (count_ == 0)
      fail<StateError>(
          name(), "got no snapshot yet, expected at least one. Hint: train past its start first");
    const Parameters& all = parameters();
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Tensor weights = kernel::clone(all[i].value);
      kernel::copy(average_[i], all[i].value);
      kernel::copy(weights, average_[i]);
      ++all[i].value.body().storage->version;
    }
    swapped_ = !swapped_;
    return true;
  }

  void save(State& state) const override {
    inner_->save(state);
    state[concat(name(), "/steps")] = full({}, step_, kInt64);
    state[concat(name(), "/count")] = full({}, count_, kInt64);
    for (std::size_t i = 0; i < average_.size(); ++i)
      state[concat(name(), "/average/", parameters()[i].name)] = kernel::clone(average_[i]);
  }
  void expect(const State& state, std::vector<detail::StateEntry>& entries) override {
    inner_->expect(state, entries);
    for (const char* key : {"/steps", "/count"}) entries.push_back({concat(name(), key), {}, true});
    const auto count = state.find(concat(name(), "/count"));
    const bool some =
        count != state.end() && count->second.numel() == 1 && count->second.item() > 0;
    for (const Parameter& p : parameters())
      entries.push_back({concat(name(), "/average/", p.name), p.value.shape(), some});
  }
  void load(const State& state) override {
    inner_->load(state);
    step_ = state.at(concat(name(), "/steps")).item<std::int64_t>();
    count_ = state.at(concat(name(), "/count")).item<std::int64_t>();
    average_.clear();
    if (count_ == 0) return;
    for (const Parameter& p : parameters()) {
      average_.push_back(empty_like(p.value));
      kernel::copy(state.at(concat(name(), "/average/", p.name)), average_.back());
    }
  }

 protected:
  virtual bool takes(std::int64_t step) const = 0;
  virtual double weight(std::int64_t step) const = 0;
  std::int64_t count_ = 0;  // snapshots so far

 private:
  std::vector<Tensor> average_;
  std::int64_t step_ = 0;
  bool swapped_ = false;
};

class Swa final : public Averager {
 public:
  Swa(std::unique_ptr<detail::Stage> inner, SwaOptions o)
      : Averager(std::move(inner)), options_(o) {
    if (o.start < 0 || o.every < 1)
      fail<ValueError>("swa", "got start = ", o.start, " and every = ", o.every,
                       ", expected start >= 0 and every >= 1");
  }

 private:
  std::string_view name() const override { return "swa"; }
  void own_fields(FieldVisitor&) override {}
  std::string text() override {
    return concat("swa(", inner_->text(), ", start=", options_.start, ", every=", options_.every,
                  ")");
  }
  bool takes(std::int64_t step) const override {
    return step >= options_.start && (step - options_.start) % options_.every == 0;
  }
  double weight(std::int64_t) const override { return 1 / static_cast<double>(count_ + 1); }
  SwaOptions options_;
};

class Ema final : public Averager {
 public:
  Ema(std::unique_ptr<detail::Stage> inner, Hyper decay)
      : Averager(std::move(inner)), decay_(std::move(decay)) {
    detail::check_fields(name(), [this](FieldVisitor& f) { own_fields(f); });
  }

 private:
  std::string_view name() const override { return "ema"; }
  void own_fields(FieldVisitor& f) override { f("decay", decay_, kClosedUnit); }
  bool takes(std::int64_t) const override { return true; }
  double weight(std::int64_t step) const override { return 1 - decay_(step); }
  Hyper decay_;
};

}  // namespace

Optimizer swa(Optimizer inner, SwaOptions options) {
  return wrap(std::move(inner), [&](std::unique_ptr<detail::Stage> stage) {
    return std::make_unique<Swa>(std::move(stage), options);
  });
}

Optimizer ema(Optimizer inner, Hyper decay) {
  return wrap(std::move(inner), [&](std::unique_ptr<detail::Stage> stage) {
    return std::make_unique<Ema>(std::move(stage), decay);
  });
}

}  // namespace descent::optim
