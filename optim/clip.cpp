#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/kernels/reduce.h>
#include <descent/core/tape.h>
#include <descent/optim/wrapper_of.h>
#include <descent/optim/wrappers.h>

#include <algorithm>
#include <cmath>

namespace descent::optim {
namespace {

/// Makes the rule see a gradient scaled down to a norm of c.
void shorten(detail::GradientView& view, double norm, double c) {
  if (!(norm > c) || !std::isfinite(norm)) return;
  view.scale *= c / norm;
  view.limit *= c / norm;
}

/// The norm of parameter i's gradient as the rule would see it; 0 without one.
double norm_of(const detail::Update& update, const Parameters& all, std::size_t i) {
  const Tensor& g = update.gradient(all, i);
  if (!g.defined()) return 0;
  const detail::GradientView& view = update.views[i];
  if (view.limit == kInfinity) return std::fabs(view.scale) * kernel::norm2(g);
  return kernel::norm2(update.seen(all, i));
}

class ClipNorm final : public detail::WrapperOf<ClipNormOptions> {
 public:
  using WrapperOf::WrapperOf;
  void apply(detail::Update& update) override {
    kernel::Norm all;
    for (std::size_t i = 0; i < parameters().size(); ++i) all.add(norm_of(update, parameters(), i));
    const double norm = all.value(), c = options_.max_norm(steps());
    update.non_finite |= !std::isfinite(norm);
    for (auto& view : update.views) shorten(view, norm, c);
    inner_->apply(update);
  }
};

class ClipNormPerParameter final : public detail::WrapperOf<ClipNormPerParameterOptions> {
 public:
  using WrapperOf::WrapperOf;
  void apply(detail::Update& update) override {
    const double c = options_.max_norm(steps());
    for (std::size_t i = 0; i < parameters().size(); ++i) {
      const double norm = norm_of(update, parameters(), i);
      update.non_finite |= !std::isfinite(norm);
      shorten(update.views[i], norm, c);
    }
    inner_->apply(update);
  }
};

class ClipValue final : public detail::WrapperOf<ClipValueOptions> {
 public:
  using WrapperOf::WrapperOf;
  void apply(detail::Update& update) override {
    const double c = options_.max_value(steps());
    for (auto& view : update.views) view.limit = std::min(view.limit, c);
    inner_->apply(update);
  }
};

class Agc final : public detail::WrapperOf<AgcOptions> {
 public:
  using WrapperOf::WrapperOf;
  void apply(detail::Update& update) override {
    const NoGradGuard guard;
    const double clip = options_.clip(steps()), eps = options_.eps(steps());
    const Parameters& all = parameters();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!update.gradient(all, i).defined() || all[i].value.numel() == 0) continue;
      const Tensor g = update.seen(all, i), w = all[i].value.detach();
      const Tensor most = clamp(unit_norm(w), eps) * clip, size = unit_norm(g);
      const Tensor scale = where(size > most, most / size, 1.0);
      update.replace(all, i, g * scale);
    }
    inner_->apply(update);
  }

 private:
  /// Of each row, with its dimensions kept; of a vector as a whole.
  static Tensor unit_norm(const Tensor& x) {
    Dims dims;
    for (std::int64_t d = x.dim() > 1 ? 1 : 0; d < x.dim(); ++d) dims.push_back(d);
    if (x.dim() == 0) return abs(x);
    const Tensor norm = sqrt(sum(square(x), dims, true));
    if (kernel::all_finite(norm)) return norm;
    // Squares overflow long before the norm does: here each unit is measured by its largest.
    const Tensor largest = max(abs(x), dims, true), unit = where(largest > 0, largest, 1.0);
    return unit * sqrt(sum(square(x / unit), dims, true));
  }
};

void check_positive(const char* op, const char* what, double x) {
  if (!(x > 0)) fail<ValueError>(op, "got ", what, " = ", x, ", expected a positive number");
}

}  // namespace

using detail::Role;
using detail::wrap_in;

Optimizer clip_norm(Optimizer inner, Hyper c) {
  return wrap_in<ClipNorm>(std::move(inner), ClipNormOptions{c}, Role::changes_gradients);
}
Optimizer clip_value(Optimizer inner, Hyper c) {
  return wrap_in<ClipValue>(std::move(inner), ClipValueOptions{c}, Role::changes_elements);
}
Optimizer clip_norm_per_parameter(Optimizer inner, Hyper c) {
  return wrap_in<ClipNormPerParameter>(std::move(inner), ClipNormPerParameterOptions{c},
                                       Role::changes_gradients);
}
Optimizer agc(Optimizer inner, AgcOptions options) {
  return wrap_in<Agc>(std::move(inner), std::move(options), Role::changes_gradients);
}

double clip_grad_norm_(const Parameters& parameters, double max_norm) {
  check_positive("clip_grad_norm_", "max_norm", max_norm);
  descent::detail::check_may_read("clip_grad_norm_");
  const NoGradGuard guard;
  kernel::Norm all;
  for (const Parameter& p : parameters)
    if (const Tensor g = p.value.grad(); g.defined()) all.add(kernel::norm2(g));
  const double norm = all.value();
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
