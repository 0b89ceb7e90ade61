#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/norm.h>
#include <descent/core/launch.h>
#include <descent/core/tape.h>
#include <descent/optim/engine/groups.h>

#include <cmath>
#include <utility>

namespace descent::optim {

Update::Update(detail::Groups& groups)
    : groups_(&groups),
      parameters_(&groups.parameters()),
      step_(groups.steps()),
      views_(groups.parameters().size()) {}

const Tensor& Update::raw(std::size_t i) const {
  return made_.empty() ? grad_of((*parameters_)[i].value) : made_[i];
}

detail::GradientView Update::view(std::size_t i) const {
  return {sign(i) * views_[i].scale, views_[i].limit};
}

double Update::sign(std::size_t i) const { return groups_->maximizes(i) ? -1 : 1; }

double Update::rate(std::size_t i) const {
  double rate = 1;
  const auto read = [&](const detail::FieldRef& f) { rate = f.name == "lr" ? f.at(step_) : rate; };
  groups_->visit_fields(read, groups_->group_of(i), "");
  return rate;
}

Tensor Update::gradient(std::size_t i) const {
  const Tensor& g = raw(i);
  const detail::GradientView& v = views_[i];
  if (!g.defined()) return g;
  const Tensor scaled = v.scale == 1 ? g : g * v.scale;
  return v.limit == kInfinity ? scaled : clamp(scaled, -v.limit, v.limit);
}

double Update::gradient_norm(std::size_t i) const {
  const Tensor& g = raw(i);
  if (!g.defined()) return 0;
  if (views_[i].limit == kInfinity) return std::fabs(views_[i].scale) * kernel::norm2(g);
  return kernel::norm2(gradient(i));
}

void Update::scale_gradient(std::size_t i, double by) {
  if (!std::isfinite(by))
    fail<ValueError>("scale_gradient", "got ", by, ", expected a finite number");
  if (const double all = std::fabs(views_[i].scale * by); all > 0 && all < 1.2e-38) {
    // In float this factor would be 0, although the gradient may be as large as the factor is
    // small.
    const double root = std::sqrt(std::fabs(by));
    if (raw(i).defined()) set_gradient(i, gradient(i) * root * (by / root));
    return;
  }
  views_[i].scale *= by;
  if (views_[i].limit != kInfinity) views_[i].limit *= std::fabs(by);
}

void Update::limit_gradient(std::size_t i, double most) {
  if (!(most >= 0)) fail<ValueError>("limit_gradient", "got ", most, ", expected 0 or more");
  if (most < views_[i].limit) views_[i].limit = most;
}

void Update::set_gradient(std::size_t i, Tensor g) {
  if (made_.empty()) {
    made_.reserve(parameters_->size());  // either all gradients are in the list or none is
    for (const Parameter& p : *parameters_) made_.push_back(grad_of(p.value));
  }
  made_[i] = std::move(g);
  views_[i] = {};
}

bool Update::refused() {
  if (!refused_ && groups_->refuses(*this)) refused_ = skipped_ = true;
  return refused_;
}

bool Update::inner() {
  detail::Layer* const next = std::exchange(next_, nullptr);
  if (!next)
    fail<StateError>(
        "inner", "got a second call in one step, expected apply() to call inner() at most once");
  if (refused_)
    reached_ = true;
  else
    next->apply(*this);
  return !skipped_;
}

double Evaluation::inner() {
  called_ = true;
  return inner_->evaluate(*closure_);
}

void Evaluation::check_called(std::string_view wrapper) const {
  if (!called_)
    fail<StateError>(
        wrapper, "got an evaluate() that did not call inner(), expected it to evaluate the loss");
}

void Evaluation::perform(const std::function<void(const Parameters&, std::int64_t)>& f) {
  descent::detail::perform([f, &groups = inner_->groups()] {
    const NoGradGuard guard;
    f(groups.parameters(), groups.steps());
  });
}
std::function<double(std::size_t)> Evaluation::signs() const {
  return [&groups = inner_->groups()](std::size_t i) { return groups.maximizes(i) ? -1.0 : 1.0; };
}
void Evaluation::at_failure(const std::function<void()>& f) {
  if (recording()) descent::detail::t_tape->at_failure(f);
}
const Parameters& Evaluation::parameters() const { return inner_->groups().parameters(); }
bool Evaluation::recording() { return descent::detail::recording(); }

double euclidean_norm(const Tensor& x) { return kernel::norm2(x); }

void write_weight(const Tensor& weight, const Tensor& value) { kernel::overwrite(value, weight); }

}  // namespace descent::optim
