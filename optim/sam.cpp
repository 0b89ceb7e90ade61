#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/accumulate.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/reduce.h>
#include <descent/core/random.h>
#include <descent/core/tape.h>
#include <descent/optim/wrapper_of.h>
#include <descent/optim/wrappers.h>

#include <cmath>

namespace descent::optim {

using descent::detail::perform;
using descent::detail::recording;

namespace {

class Sam final : public detail::WrapperOf<SamOptions> {
 public:
  Sam(std::unique_ptr<detail::Stage> inner, SamOptions options)
      : WrapperOf(std::move(inner), std::move(options), detail::Role::climbs) {}

  // Inside a compiled step each part is recorded by itself; whether to climb at all is then decided
  // at each replay, and a second evaluation at the same place changes nothing.
  double evaluate(const detail::Closure& closure) override {
    perform([this] { draws_ = default_generator().state(); });
    const double loss = inner_->evaluate(closure);
    bool climbs = true;
    perform([this, &climbs, known = !recording()] {
      const bool moved = climb();
      if (known) climbs = moved;
    });
    if (!climbs) return loss;

    const Descend descend_at_end(*this);  // also when the closure throws
    if (recording()) descent::detail::t_tape->at_failure([this] { descend(); });
    const FrozenStatisticsGuard frozen;
    perform([this] { default_generator().set_state(draws_); });
    inner_->evaluate(closure);
    return loss;
  }

  bool needs_closure() const override { return true; }

 private:
  static Tensor scale_of(const Tensor& w) { return abs(w) + 0.01; }  // T

  double climb_norm() const {
    const NoGradGuard guard;
    kernel::Norm all;
    for (const Parameter& p : parameters()) {
      const Tensor g = p.value.grad();
      if (!g.defined()) continue;
      all.add(kernel::norm2(options_.adaptive ? scale_of(p.value) * g : g));
    }
    return all.value();
  }

  /// Moves the weights uphill and keeps copies of them; false, and nothing moved, where there is no
  /// uphill.
  bool climb() {
    saved_.clear();
    const double radius = options_.rho(steps()), norm = climb_norm();
    if (norm == 0 || !std::isfinite(norm) || radius == 0) return false;
    const NoGradGuard guard;
    try {
      std::size_t i = 0;
      for (const Parameter& p : parameters()) {
        const Tensor g = p.value.grad();
        if (!g.defined()) continue;
        if (copies_.size() <= i) copies_.emplace_back();
        Tensor& copy = copies_[i++];
        if (!copy.defined() || !kernel::can_accumulate(copy, p.value)) copy = empty_like(p.value);
        kernel::copy(p.value, copy);
        saved_.push_back({p.value, copy});
        const Tensor direction = options_.adaptive ? square(scale_of(p.value)) * g : g;
        if (kernel::can_accumulate(p.value, direction))
          kernel::accumulate(p.value, direction, radius / norm);
        else
          kernel::copy(p.value + direction * (radius / norm), p.value);
        ++p.value.body().storage->version;
      }
    } catch (...) {
      descend();
      throw;
    }
    return true;
  }

  /// Puts the weights back, last first: two parameters may be views of one tensor.
  void descend() {
    for (auto i = saved_.rbegin(); i != saved_.rend(); ++i) {
      kernel::copy(i->second, i->first);
      ++i->first.body().storage->version;
    }
    saved_.clear();
  }

  struct Descend {
    explicit Descend(Sam& s) : sam(s) {}
    ~Descend() {
      perform([s = &sam] { s->descend(); });
    }
    Descend(const Descend&) = delete;
    Descend& operator=(const Descend&) = delete;
    Sam& sam;
  };

  std::vector<Tensor> copies_;  // memory for saved weights, kept from step to step
  std::vector<std::pair<Tensor, Tensor>> saved_;
  Generator::State draws_{};
};

}  // namespace

Optimizer sam(Optimizer base, SamOptions options) {
  return detail::wrap_in<Sam>(std::move(base), std::move(options));
}

Optimizer asam(Optimizer base, Hyper rho) {
  return sam(std::move(base), {.rho = std::move(rho), .adaptive = true});
}

}  // namespace descent::optim
