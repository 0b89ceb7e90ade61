#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/reduce.h>
#include <descent/core/random.h>
#include <descent/optim/wrappers.h>

#include <cmath>

namespace descent::optim {
namespace {

class Sam final : public detail::Wrapper {
 public:
  Sam(std::unique_ptr<detail::Stage> inner, SamOptions options)
      : Wrapper(std::move(inner)), options_(std::move(options)) {
    detail::check_fields(name(), [this](FieldVisitor& f) { own_fields(f); });
  }

  double evaluate(const detail::Closure& closure) override {
    const Generator::State draws = default_generator().state();
    const double loss = inner_->evaluate(closure);
    const double radius = options_.rho(steps());
    const double norm = climb_norm();
    if (norm == 0 || !std::isfinite(norm) || radius == 0) return loss;

    const Climb climb(*this, radius / norm);  // and down again, also when the closure throws
    const FrozenStatisticsGuard frozen;
    default_generator().set_state(draws);
    inner_->evaluate(closure);
    return loss;
  }

  bool needs_closure() const override { return true; }

 private:
  std::string_view name() const override { return "sam"; }
  void own_fields(FieldVisitor& f) override {
    f("rho", options_.rho, kNonNegative);
    f("adaptive", options_.adaptive);
  }

  static Tensor scale_of(const Tensor& w) { return abs(w) + 0.01; }  // T

  double climb_norm() const {
    const NoGradGuard guard;
    double squares = 0;
    for (const Parameter& p : parameters()) {
      const Tensor g = p.value.grad();
      if (!g.defined()) continue;
      const double n = kernel::norm2(options_.adaptive ? scale_of(p.value) * g : g);
      squares += n * n;
    }
    return std::sqrt(squares);
  }

  /// The weights moved uphill while it lives, and put back from copies.
  class Climb {
   public:
    Climb(Sam& sam, double factor) {
      const NoGradGuard guard;
      try {
        for (const Parameter& p : sam.parameters()) {
          const Tensor g = p.value.grad();
          if (!g.defined()) continue;
          saved_.push_back({p.value, kernel::clone(p.value)});
          const Tensor direction = sam.options_.adaptive ? square(scale_of(p.value)) * g : g;
          p.value.add_(direction * factor);
        }
      } catch (...) {
        descend();
        throw;
      }
    }
    ~Climb() { descend(); }
    Climb(const Climb&) = delete;
    Climb& operator=(const Climb&) = delete;

   private:
    void descend() {  // last first: two parameters may be views of one tensor
      for (auto i = saved_.rbegin(); i != saved_.rend(); ++i) {
        kernel::copy(i->second, i->first);
        ++i->first.body().storage->version;
      }
    }
    descent::detail::PoolVector<std::pair<Tensor, Tensor>> saved_;
  };

  SamOptions options_;
};

}  // namespace

Optimizer sam(Optimizer base, SamOptions options) {
  return wrap(std::move(base), [&](std::unique_ptr<detail::Stage> inner) {
    return std::make_unique<Sam>(std::move(inner), options);
  });
}

Optimizer asam(Optimizer base, Hyper rho) {
  return sam(std::move(base), {.rho = std::move(rho), .adaptive = true});
}

}  // namespace descent::optim
