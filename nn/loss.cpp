#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/autograd/ops/fused.h>
#include <descent/core/create.h>
#include <descent/core/launch.h>
#include <descent/nn/loss.h>

#include <cmath>
#include <limits>

namespace descent::nn {
namespace {

Tensor reduce(const Tensor& loss, Reduction r) {
  return r == Reduction::mean ? mean(loss) : r == Reduction::sum ? sum(loss) : loss;
}

void check_same(const char* op, const Tensor& input, const Tensor& target) {
  if (!(input.shape() == target.shape()))
    fail<ShapeError>(
        op, "got input ", input.shape(), " and target ", target.shape(),
        ", expected equal shapes. Hint: a column (N, 1) against (N) would broadcast to "
        "(N, N); squeeze(1) or unsqueeze(1) one of them");
}

bool one_pass(const Tensor& input, const Tensor& target, Reduction r) {
  return r != Reduction::none && input.dtype() == target.dtype() && is_floating(input.dtype()) &&
         input.numel() > 0;
}

}  // namespace

Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction r) {
  check_same("mse_loss", input, target);
  if (one_pass(input, target, r)) return squared_error(input, target, r == Reduction::mean);
  return reduce(square(input - target), r);
}

Tensor mse_residuals(const Tensor& input, const Tensor& target) {
  check_same("mse_residuals", input, target);
  return (input - target) * std::sqrt(2 / static_cast<double>(input.numel()));
}

Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction r) {
  check_same("l1_loss", input, target);
  return reduce(abs(input - target), r);
}

namespace {

/// x limited to ±most. Unlike clamp(), it has slope 0 at the limits, as beyond.
Tensor limited(const Tensor& x, double most) {
  const Tensor at = x.detach();
  return where(at >= most, most, where(at <= -most, -most, x));
}

}  // namespace

Tensor huber_loss(const Tensor& input, const Tensor& target, double delta, Reduction r) {
  check_same("huber_loss", input, target);
  if (!(delta > 0))
    fail<ValueError>("huber_loss", "got delta = ", delta, ", expected a positive number");
  const Tensor gap = input - target, near = limited(gap, delta);
  return reduce(near * (gap - near * 0.5), r);
}

Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, double beta, Reduction r) {
  check_same("smooth_l1_loss", input, target);
  if (!(beta >= 0)) fail<ValueError>("smooth_l1_loss", "got beta = ", beta, ", expected 0 or more");
  const bool wide = input.dtype() == kFloat64 || target.dtype() == kFloat64;
  if (beta < (wide ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min()))
    return l1_loss(input, target, r);
  const Tensor gap = input - target, near = limited(gap, beta);
  return reduce(near * (1 / beta) * (gap - near * 0.5), r);
}

namespace {

void check_logits(const char* op, const Tensor& logits, const Tensor& target) {
  if (target.dtype() == kInt64 && target.dim() == 2 && target.size(1) == 1)
    fail<ShapeError>(op, "got labels ", target.shape(), ", expected (N). Hint: labels.squeeze(1)");
  if (logits.dim() != 2 || target.dim() < 1 || target.dim() > 2 || logits.size(0) != target.size(0))
    fail<ShapeError>(op, "got logits ", logits.shape(), " and target ", target.shape(),
                     ", expected (N, C) and (N) labels or (N, C) probabilities");
  if (logits.size(1) == 1)
    fail<ShapeError>(op, "got logits ", logits.shape(),
                     " of one class, whose loss is always 0, expected two classes or more. Hint: "
                     "for one logit use bce_with_logits()");
}

void check_label_type(const char* op, const Tensor& labels) {
  if (labels.dtype() != kInt64)
    fail<DTypeError>(op, "got labels of dtype ", labels.dtype(),
                     ", expected int64. Hint: .to(kInt64)");
}

void check_labels(const char* op, const Tensor& labels, std::int64_t classes, std::int64_t ignore) {
  check_label_type(op, labels);
  const Tensor flat = labels.contiguous();
  const auto* label = static_cast<const std::int64_t*>(flat.raw());
  descent::detail::launch(op, {}, {&flat}, [=, n = flat.numel()] {
    for (std::int64_t i = 0; i < n; ++i)
      if (label[i] != ignore && (label[i] < 0 || label[i] >= classes))
        fail<ValueError>(op, "got label ", label[i], " at position ", i, ", expected one in [0, ",
                         classes, ")", ignore >= 0 || ignore == -100 ? "" : to_text(" or ", ignore),
                         ". Hint: the last layer needs as many outputs as there are classes");
  });
}

/// Labels as targets t (N, C): the loss of a row is −Σ t·log p. `divisor` is the sum of the weights
/// of all rows, and a mean divides by it.
struct Targets {
  Tensor t;
  Tensor divisor;
};

Targets label_targets(const Tensor& labels, std::int64_t classes, const Tensor& weight,
                      std::int64_t ignore, double smoothing, DType dtype) {
  const NoGradGuard guard;
  const Tensor counts = (labels != Scalar(ignore)).to(dtype);  // (N)
  const Tensor safe = where(labels == Scalar(ignore), zeros({}, kInt64), labels);
  Tensor t = one_hot(safe, classes, dtype);
  if (weight.defined()) t = t * weight;
  const Tensor row_weight = sum(t, {1}) * counts;
  if (smoothing > 0) {
    Tensor even = full({1, classes}, smoothing / static_cast<double>(classes), dtype);
    if (weight.defined()) even = even * weight;
    t = t * (1 - smoothing) + even;
  }
  return {t * counts.unsqueeze(1), sum(row_weight)};
}

void check_weight(const char* op, const Tensor& weight, std::int64_t classes) {
  if (weight.defined() && !(weight.shape() == Shape{classes}))
    fail<ShapeError>(op, "got class weights ", weight.shape(), ", expected (", classes, ",)");
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& o) {
  check_logits("cross_entropy", logits, target);
  const std::int64_t classes = logits.size(1);
  if (classes < 1)
    fail<ShapeError>("cross_entropy", "got logits ", logits.shape(),
                     ", expected at least one class");
  check_weight("cross_entropy", o.weight, classes);
  if (!(o.label_smoothing >= 0 && o.label_smoothing <= 1))
    fail<ValueError>("cross_entropy", "got label_smoothing = ", o.label_smoothing,
                     ", expected a number in [0, 1]");
  if (target.dim() == 1) {
    check_label_type("cross_entropy", target);
    if (!o.weight.defined() && o.label_smoothing == 0 && o.reduction != Reduction::none)
      return softmax_cross_entropy(logits, target, o.ignore_index, o.reduction == Reduction::mean);
    check_labels("cross_entropy", target, classes, o.ignore_index);
    const Targets targets =
        label_targets(target, classes, o.weight, o.ignore_index, o.label_smoothing, logits.dtype());
    // A product alone would give 0·(−∞) = NaN if a class with target 0 has a logit of −∞.
    const Tensor rows = -sum(where(targets.t != 0, log_softmax(logits, 1) * targets.t, 0.0), {1});
    return o.reduction == Reduction::mean ? sum(rows) / targets.divisor : reduce(rows, o.reduction);
  }
  check_same("cross_entropy", logits, target);
  if (!is_floating(target.dtype()))
    fail<DTypeError>("cross_entropy", "got probabilities of dtype ", target.dtype(),
                     ", expected a floating type. Hint: labels have shape (N)");
  Tensor t = target;
  if (o.label_smoothing > 0)
    t = t * (1 - o.label_smoothing) + o.label_smoothing / static_cast<double>(classes);
  if (o.weight.defined()) t = t * o.weight;
  const Tensor log_p = log_softmax(logits, 1), nothing = t.detach() == 0;
  // A product alone would give 0·(−∞) = NaN.
  const Tensor used = where(nothing, where(log_p.detach() == -INFINITY, 0.0, log_p), log_p);
  return reduce(-sum(used * t, {1}), o.reduction);
}

Tensor nll_loss(const Tensor& log_p, const Tensor& labels, const NllOptions& o) {
  check_logits("nll_loss", log_p, labels);
  if (labels.dim() != 1)
    fail<ShapeError>("nll_loss", "got labels ", labels.shape(), ", expected (N)");
  check_weight("nll_loss", o.weight, log_p.size(1));
  check_labels("nll_loss", labels, log_p.size(1), o.ignore_index);
  const Targets targets =
      label_targets(labels, log_p.size(1), o.weight, o.ignore_index, 0, log_p.dtype());
  // A product alone would give 0·(−∞) = NaN if an unused log-probability is −∞.
  const Tensor rows = -sum(where(targets.t != 0, log_p * targets.t, 0.0), {1});
  return o.reduction == Reduction::mean ? sum(rows) / targets.divisor : reduce(rows, o.reduction);
}

Tensor bce_loss(const Tensor& input, const Tensor& target, Reduction r) {
  check_same("bce_loss", input, target);
  if (input.numel() > 0) {
    const Tensor low = min(input.detach()).to(kFloat64), high = max(input.detach()).to(kFloat64);
    const auto *least = static_cast<const double*>(low.raw()),
               *most = static_cast<const double*>(high.raw());
    descent::detail::launch("bce_loss", {}, {&low, &high}, [=] {
      if (!(*least >= 0 && *most <= 1))
        fail<ValueError>(
            "bce_loss", "got inputs from ", *least, " to ", *most,
            ", expected probabilities in [0, 1]. Hint: use bce_with_logits for logits");
    });
  }
  return reduce(binary_cross_entropy(input, target), r);
}

Tensor bce_with_logits(const Tensor& x, const Tensor& t, const Tensor& pos_weight, Reduction r) {
  check_same("bce_with_logits", x, t);
  // Computes −t·log σ(x) − (1 − t)·log(1 − σ(x)). For x >= 0 and x < 0 it uses different forms, so
  // that no digits cancel.
  if (!pos_weight.defined() && one_pass(x, t, r)) return logistic_loss(x, t, r == Reduction::mean);
  if (!pos_weight.defined())
    return reduce(where(x.detach() >= 0, (1 - t) * x + softplus(-x), softplus(x) - x * t), r);
  return reduce((1 - t) * x + ((pos_weight - 1) * t + 1) * softplus(-x), r);
}

Tensor kl_div(const Tensor& input, const Tensor& t, KlReduction r) {
  check_same("kl_div", input, t);
  const Tensor nothing = t.detach() <= 0;
  const Tensor loss = where(nothing, 0.0, t * (log(where(nothing, 1.0, t)) - input));
  if (r == KlReduction::batchmean) return sum(loss) / static_cast<double>(input.size(0));
  return reduce(loss, r == KlReduction::mean  ? Reduction::mean
                      : r == KlReduction::sum ? Reduction::sum
                                              : Reduction::none);
}

Tensor focal_loss(const Tensor& logits, const Tensor& labels, double gamma, Reduction r) {
  if (!(gamma >= 0)) fail<ValueError>("focal_loss", "got gamma = ", gamma, ", expected 0 or more");
  if (labels.dim() != 1)
    fail<ShapeError>("focal_loss", "got labels ", labels.shape(), ", expected (N)");
  check_logits("focal_loss", logits, labels);
  check_labels("focal_loss", labels, logits.size(1), -1);
  const Tensor log_p = gather(log_softmax(logits, 1), 1, labels.unsqueeze(1)).squeeze(1);
  // 1 − p without cancellation. Where it is 0 the loss is 0, and pow() has no slope to give.
  const Tensor rest = -expm1(log_p), some = rest.detach() > 0;
  const Tensor factor = where(some, pow(where(some, rest, 1.0), gamma), gamma == 0 ? 1.0 : 0.0);
  return reduce(-factor * log_p, r);
}

Tensor quantile_loss(const Tensor& input, const Tensor& target, double q, Reduction r) {
  check_same("quantile_loss", input, target);
  if (!(q > 0 && q < 1))
    fail<ValueError>("quantile_loss", "got q = ", q, ", expected a number in (0, 1)");
  const Tensor e = target - input;
  return reduce(maximum(e * q, e * (q - 1)), r);
}

Tensor hinge_loss(const Tensor& input, const Tensor& target, Reduction r) {
  check_same("hinge_loss", input, target);
  return reduce(relu(1 - target * input), r);
}

double accuracy(const Tensor& logits, const Tensor& labels) {
  const NoGradGuard guard;
  if (logits.dim() != 2 || labels.dim() != 1 || logits.size(0) != labels.size(0))
    fail<ShapeError>("accuracy", "got logits ", logits.shape(), " and labels ", labels.shape(),
                     ", expected (N, C) and (N)");
  const Tensor guess =
      logits.size(1) == 1 ? (logits.detach().reshape({-1}) > 0).to(kInt64) : argmax(logits, 1);
  const Tensor numbers = min(eq(logits, logits).to(kFloat64), {1});  // 0 for a row with a NaN
  return mean(eq(guess, labels).to(kFloat64) * numbers).item();
}

}  // namespace descent::nn
