#include <descent/autograd/engine.h>
#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/floating_mode.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/norm.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/log.h>
#include <descent/optim/engine/line_search.h>
#include <descent/optim/engine/stages.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace descent::optim::detail {

namespace {

/// One vector of doubles of a tensor for each parameter, in order: part(i) for parameter i. An
/// undefined part counts as 0.
template <class F>
Tensor join(const Parameters& parameters, F part) {
  std::vector<Tensor> parts;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor t = part(i);
    parts.push_back((t.defined() ? t : zeros_like(parameters[i].value)).to(kFloat64).reshape({-1}));
  }
  return cat(parts);
}

}  // namespace

double SearchStage::start(const Closure& closure) {
  closure_ = &closure;
  ended_ = {};
  if (rule_.uses_hessian) return loss_ = start_with_graph(closure);
  if (!rule_.residuals) return loss_ = closure(nullptr);
  residuals_ = residuals_of(closure);
  const Tensor r = residuals_.detach().clone();  // the closure may return a parameter itself
  loss_ = inner(r, r) / 2;
  try {
    backward({residuals_}, {r}, {.retain_graph = true});  // Jᵀr, which wrappers and tracers see
  } catch (const GraphError&) {
    refuse("residuals whose graph is used up");
  }
  if (std::ranges::none_of(ledger_.parameters,
                           [](const Parameter& p) { return p.value.grad().defined(); }))
    refuse("residuals that depend on none of the parameters");
  return loss_;
}

std::string_view SearchStage::loss_not_finite() const {
  if (rule_.gradient_free || std::isfinite(loss_)) return {};
  if (!rule_.residuals) return "the loss";
  return kernel::all_finite(residuals_) ? "the squares of the residuals" : "the residuals";
}

std::string_view SearchStage::gradient_not_finite() const {
  if (rule_.gradient_free) return {};
  const Tensor g = gather(true);
  return std::isfinite(inner(g, g)) ? "" : "the squares of the gradients";
}

void SearchStage::refuse(const std::string& got) const {
  fail<GraphError>(
      rule_.card.name, "got ", got,
      ", expected a tensor of residuals that depends on the parameters. Hint: step([&] "
      "{ return prediction - y; }), without backward()");
}

/// Calls the closure, keeps the gradients with their graph for Search::hessian, and leaves them
/// without.
double SearchStage::start_with_graph(const Closure& closure) {
  const double loss = [&] {
    const descent::detail::CreateGraphGuard graph;
    return closure(nullptr);
  }();
  slopes_.clear();
  for (const Parameter& p : ledger_.parameters) {
    const Tensor g = p.value.grad();
    slopes_.push_back(g.defined() && g.requires_grad() ? g : Tensor());
    if (slopes_.back().defined()) p.value.set_grad(g.detach());
  }
  return loss;
}

/// H·v of the gradients that start_with_graph() kept.
Tensor SearchStage::hessian_times(const Tensor& v) {
  std::vector<Tensor> leaves, slopes, along;
  std::int64_t at = 0;
  for (std::size_t i = 0; i < slopes_.size(); ++i) {
    const Tensor& w = ledger_.parameters[i].value;
    const std::int64_t n = w.numel();
    if (slopes_[i].defined()) {
      leaves.push_back(w);
      slopes.push_back(slopes_[i]);
      along.push_back(v.slice(0, at, at + n).reshape(w.shape()).to(w.dtype()));
    }
    at += n;
  }
  ++ledger_.evaluations_now;
  std::vector<Tensor> products;
  if (!leaves.empty()) {
    const EnableGradGuard grad_mode;
    products = grad(slopes, leaves, along, {.retain_graph = true, .allow_unused = true});
  }
  std::size_t leaf = 0;
  const Tensor joined = join(ledger_.parameters, [&](std::size_t i) {
    return slopes_[i].defined() ? products[leaf++] : Tensor();
  });
  return rule_.maximize() ? -joined.detach() : joined.detach();
}

void SearchStage::plan(const Update& update) {
  for (std::size_t i = 0; i < update.size(); ++i)
    if (!update.gradient(i).is_same(ledger_.parameters[i].value.grad()))
      fail<StateError>(rule_.card.name, "got a gradient of '", ledger_.parameters[i].name,
                       "' that a wrapper has changed, expected the closure's. Hint: a wrapper that "
                       "changes gradients has the role changes_gradients, which goes not around ",
                       rule_.card.name);
}

/// Joins all parameters, or all gradients, to one vector of doubles. A missing gradient counts as
/// 0.
Tensor SearchStage::gather(bool gradients) const {
  const Tensor joined = join(ledger_.parameters, [&](std::size_t i) {
    const Tensor& w = ledger_.parameters[i].value;
    const Tensor t = gradients ? w.grad() : w;
    return t.defined() ? t.detach() : t;
  });
  return gradients && rule_.maximize() ? -joined : joined.clone();
}

void SearchStage::scatter(const Tensor& x) const {
  std::int64_t all = 0;
  for (const Parameter& p : ledger_.parameters) all += p.value.numel();
  if (!x.defined() || !(x.shape() == Shape{all}) || x.dtype() != kFloat64)
    fail<ShapeError>(rule_.card.name, "got a point ",
                     x.defined() ? to_text("of ", x.dtype(), x.shape()) : "without a tensor",
                     ", expected ", kFloat64, Shape{all}, ". Hint: it joins all parameters");
  std::int64_t at = 0;
  for (const Parameter& p : ledger_.parameters) {
    const std::int64_t n = p.value.numel();
    if (p.value.requires_grad())  // the others are frozen
      kernel::overwrite(x.slice(0, at, at + n).reshape(p.value.shape()), p.value);
    at += n;
  }
}

void SearchStage::run() {
  const Closure* const closure = std::exchange(closure_, nullptr);
  if (!closure)
    fail<StateError>(rule_.card.name,
                     "got a step without an evaluation, expected one of each. Hint: apply() calls "
                     "inner() at most once");
  // The closure may throw, or x may have another size.
  for (std::size_t i = 0; i < ledger_.records.size(); ++i) ledger_.remember(i, true);
  rule_.remember(ledger_.undo);
  scatter(rule_.residuals ? fit(*closure) : search(*closure));
  for (Ledger::Record& m : ledger_.records) ++m.t;
}

/// Calls f, which calls the closure, as the closure's author wrote it: with autograd on, in the
/// caller's floating mode.
template <class F>
auto SearchStage::evaluate(F f) {
  ++ledger_.evaluations_now;
  const EnableGradGuard grad;
  const descent::detail::CallersMode floating;
  return f();
}

Tensor SearchStage::search(const Closure& closure) {
  Search s;
  s.x = gather(false);
  s.g = gather(true);
  s.loss = loss_;
  s.step = {ledger_.records.front().t + 1, ledger_.steps};
  s.evaluate = [&](const Tensor& x) {
    scatter(x);
    zero_grad(ledger_.parameters);
    const double loss = evaluate([&] { return closure(nullptr); });
    return std::pair{loss, gather(true)};
  };
  s.has_gradient = [this] {
    return join(ledger_.parameters, [this](std::size_t i) {
      const Tensor& w = ledger_.parameters[i].value;
      return w.grad().defined() ? ones_like(w) : Tensor();
    });
  };
  if (rule_.uses_hessian) s.hessian = [this](const Tensor& v) { return hessian_times(v); };
  rule_.minimize(s);
  slopes_.clear();
  ended_ = s.ended;
  return s.x;
}

// ---- least squares ----

/// The residuals that a closure returns, as a vector of doubles with its graph.
Tensor SearchStage::residuals_of(const Closure& closure) {
  Tensor r;
  closure(&r);
  if (!r.defined()) refuse("a closure that returns a number or an undefined tensor");
  if (!r.requires_grad()) refuse(to_text(r.dtype(), r.shape(), " without a graph"));
  if (r.numel() == 0) refuse(to_text("no residuals: ", r.dtype(), r.shape()));
  epsilon_ = r.dtype() == kFloat64 ? std::numeric_limits<double>::epsilon()
                                   : static_cast<double>(std::numeric_limits<float>::epsilon());
  return r.to(kFloat64).reshape({-1});
}

namespace {

/// The derivatives J of r, (m), by all parameters, (n). Jᵀu is linear in u, so its derivative by u
/// along v is J·v.
class Derivatives {
 public:
  Derivatives(const Tensor& r, const Parameters& parameters) : r_(r), parameters_(parameters) {
    for (const Parameter& p : parameters) {
      n_ += p.value.numel();
      if (p.value.requires_grad()) leaves_.push_back(p.value);
    }
  }
  /// J·v, for v (n): (m). Here as in back(), a vector of length 1 goes through the graph: if the
  /// graph computes in float, small numbers would underflow.
  Tensor along(const Tensor& v) {
    const double length = kernel::norm2(v);
    return length == 0 ? zeros({r_.numel()}, kFloat64) : along_unit(v / length) * length;
  }
  /// Jᵀ·u, for u (m): (n).
  Tensor back(const Tensor& u) const {
    const double length = kernel::norm2(u);
    return length == 0 ? zeros({n_}, kFloat64) : back_unit(u / length) * length;
  }

  /// J (m, n): row by row, or column by column if there are fewer columns.
  Tensor matrix() {
    const std::int64_t m = r_.numel();
    if (n_ == 0) return zeros({m, 0}, kFloat64);
    const auto unit = [](std::int64_t size, std::int64_t i) {
      Tensor e = zeros({size}, kFloat64);
      e.data_ptr<double>()[i] = 1;
      return e;
    };
    std::vector<Tensor> lines;
    for (std::int64_t i = 0; i < std::min(m, n_); ++i)
      lines.push_back(m <= n_ ? back(unit(m, i)) : along(unit(n_, i)));
    return stack(lines, m <= n_ ? 0 : 1);
  }

 private:
  Tensor along_unit(const Tensor& v) {
    const EnableGradGuard recording;
    if (!pulled_.defined()) {
      u_ = ones({r_.numel()}, kFloat64).requires_grad_();  // not 0: see autograd/functional.cpp
      pulled_ = joined(grad({r_}, leaves_, {u_}, {.create_graph = true, .allow_unused = true}));
    }
    const Tensor product = grad({pulled_}, {u_}, {v}, kAgain)[0];
    return product.defined() ? product.detach() : zeros({r_.numel()}, kFloat64);
  }
  Tensor back_unit(const Tensor& u) const {
    const EnableGradGuard recording;
    return joined(grad({r_}, leaves_, {u}, kAgain)).detach();
  }
  /// The gradients of the leaves as one vector, with 0 for frozen parameters.
  Tensor joined(const std::vector<Tensor>& gradients) const {
    std::size_t leaf = 0;
    return join(parameters_, [&](std::size_t i) {
      return parameters_[i].value.requires_grad() ? gradients[leaf++] : Tensor();
    });
  }
  static constexpr GradOptions kAgain{.retain_graph = true, .allow_unused = true};
  Tensor r_, u_, pulled_;  // pulled_ = Jᵀu
  const Parameters& parameters_;
  std::vector<Tensor> leaves_;
  std::int64_t n_ = 0;
};

}  // namespace

Tensor SearchStage::fit(const Closure& closure) {
  Tensor latest = std::exchange(residuals_, Tensor());
  std::optional<Derivatives> derivatives;
  LeastSquares problem;
  problem.x = gather(false);
  problem.r = latest.detach().clone();
  problem.epsilon = epsilon_;
  problem.step = {ledger_.records.front().t + 1, ledger_.steps};
  if (ledger_.steps == 0 && problem.r.numel() == 1 && problem.x.numel() > 1)
    logging::warning(to_text(rule_.card.name, ": got one residual for ", problem.x.numel(),
                             " weights. Hint: return the residuals, not the sum of their squares"));
  problem.evaluate = [&](const Tensor& x) {
    scatter(x);
    derivatives.reset();  // frees the graph first
    latest = Tensor();
    latest = evaluate([&] { return residuals_of(closure); });
    if (latest.numel() != problem.r.numel())
      fail<ShapeError>(rule_.card.name, "got ", latest.numel(), " residuals, expected ",
                       problem.r.numel(), " as at the first call of the step");
    return latest.detach().clone();
  };
  const auto derivatives_at = [&](std::int64_t passes) -> Derivatives& {
    ledger_.evaluations_now += passes;
    if (!derivatives) derivatives.emplace(latest, ledger_.parameters);
    return *derivatives;
  };
  problem.jacobian = [&] {
    return derivatives_at(std::min(problem.r.numel(), problem.x.numel())).matrix();
  };
  problem.jvp = [&](const Tensor& v) { return derivatives_at(1).along(v); };
  problem.vjp = [&](const Tensor& u) { return derivatives_at(1).back(u); };
  rule_.minimize(problem);
  ended_ = problem.ended;
  return problem.x;
}

void SearchStage::state(StateVisitor& visit) {
  std::int64_t n = 0;
  for (const Parameter& p : ledger_.parameters) n += p.value.numel();
  visit.enter(to_text(rule_.card.name, "/search/"), ledger_.parameters);
  rule_.state(visit, n);
}

}  // namespace descent::optim::detail
