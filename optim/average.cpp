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

  bool swap_average() override {
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
    return true;
  }

  void save(State& state) const override {
    refuse_while_swapped("state_dict");
    Wrapper::save(state);
    state[concat(key(), "/count")] = full({}, count_, kInt64);
    for (std::size_t i = 0; i < average_.size(); ++i)
      state[concat(key(), "/average/", parameters()[i].name)] = kernel::clone(average_[i]);
  }
  void expect(const State& state, std::vector<detail::StateEntry>& entries) override {
    refuse_while_swapped("load_state_dict");
    Wrapper::expect(state, entries);
    entries.push_back({concat(key(), "/count"), {}, kInt64, true});
    const auto count = state.find(concat(key(), "/count"));
    const bool some =
        count != state.end() && count->second.numel() == 1 && count->second.item() > 0;
    for (const Parameter& p : parameters())
      entries.push_back(
          {concat(key(), "/average/", p.name), p.value.shape(), p.value.dtype(), some});
  }
  void load(const State& state) override {
    Wrapper::load(state);
    count_ = state.at(concat(key(), "/count")).item<std::int64_t>();
    average_.clear();
    if (count_ == 0) return;
    for (const Parameter& p : parameters()) {
      average_.push_back(empty_like(p.value));
      kernel::copy(state.at(concat(key(), "/average/", p.name)), average_.back());
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
