#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/kernels/reduce.h>
#include <descent/core/tape.h>
#include <descent/optim/wrappers.h>

#include <algorithm>
#include <cmath>

namespace descent::optim {
namespace {

enum class Clip { norm, value, norm_per_parameter };

/// The norm of a gradient as the rule would see it.
double norm_through(const detail::GradientView& view, const Tensor& g) {
  if (view.limit == kInfinity) return std::fabs(view.scale) * kernel::norm2(g);
  const NoGradGuard guard;
  return kernel::norm2(clamp(g * view.scale, -view.limit, view.limit));
}

class Clipper final : public detail::Wrapper {
 public:
  Clipper(std::unique_ptr<detail::Stage> inner, Clip kind, Hyper limit)
      : Wrapper(std::move(inner)), kind_(kind), limit_(std::move(limit)) {
    detail::check_fields(name(), [this](FieldVisitor& f) { own_fields(f); });
  }

  void apply(detail::Update& update) override {
    const double c = limit_(steps());
    const Parameters& all = parameters();
    if (kind_ == Clip::value) {
      for (auto& view : update.views) view.limit = std::min(view.limit, c);
      return inner_->apply(update);
    }
    double squares = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Tensor g = all[i].value.grad();
      if (!g.defined()) continue;
      const double norm = norm_through(update.views[i], g);
      if (kind_ == Clip::norm_per_parameter) scale(update.views[i], norm, c);
      squares += norm * norm;
    }
    const double norm = std::sqrt(squares);
    update.non_finite |= !std::isfinite(norm);
    if (kind_ == Clip::norm)
      for (auto& view : update.views) scale(view, norm, c);
    inner_->apply(update);
  }

 private:
  static void scale(detail::GradientView& view, double norm, double c) {
    if (!(norm > c) || !std::isfinite(norm)) return;
    view.scale *= c / norm;
    view.limit *= c / norm;
  }
  std::string_view name() const override {
    return kind_ == Clip::norm    ? "clip_norm"
           : kind_ == Clip::value ? "clip_value"
                                  : "clip_norm_per_parameter";
  }
  void own_fields(FieldVisitor& f) override {
    f(kind_ == Clip::value ? "max_value" : "max_norm", limit_, kPositive);
  }

  Clip kind_;
  Hyper limit_;
};

Optimizer clip(Optimizer inner, Clip kind, Hyper limit) {
  return wrap(std::move(inner), [&](std::unique_ptr<detail::Stage> stage) {
    return std::make_unique<Clipper>(std::move(stage), kind, limit);
  });
}

void check_positive(const char* op, const char* what, double x) {
  if (!(x > 0)) fail<ValueError>(op, "got ", what, " = ", x, ", expected a positive number");
}

}  // namespace

Optimizer clip_norm(Optimizer inner, Hyper c) {
  return clip(std::move(inner), Clip::norm, std::move(c));
}
Optimizer clip_value(Optimizer inner, Hyper c) {
  return clip(std::move(inner), Clip::value, std::move(c));
}
Optimizer clip_norm_per_parameter(Optimizer inner, Hyper c) {
  return clip(std::move(inner), Clip::norm_per_parameter, std::move(c));
}

double clip_grad_norm_(const Parameters& parameters, double max_norm) {
  check_positive("clip_grad_norm_", "max_norm", max_norm);
  descent::detail::check_may_read("clip_grad_norm_");
  const NoGradGuard guard;
  double squares = 0;
  for (const Parameter& p : parameters)
    if (const Tensor g = p.value.grad(); g.defined()) squares += std::pow(kernel::norm2(g), 2);
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm))
    fail<NonFiniteError>("clip_grad_norm_", "got a norm of ", norm,
                         ", expected a number. Hint: find its origin with AnomalyGuard");
  if (norm > max_norm)
    for (const Parameter& p : parameters)
      if (const Tensor g = p.value.grad(); g.defined()) g.detach().mul_(max_norm / norm);
  return norm;
}

void clip_grad_value_(const Parameters& parameters, double max_value) {
  check_positive("clip_grad_value_", "max_value", max_value);
  const NoGradGuard guard;
  for (const Parameter& p : parameters)
    if (const Tensor g = p.value.grad(); g.defined()) g.detach().clamp_(-max_value, max_value);
}

}  // namespace descent::optim
