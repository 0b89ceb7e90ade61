#include <descent/autograd/engine.h>
#include <descent/autograd/gradcheck.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/random.h>

#include <algorithm>
#include <cmath>

namespace descent {
namespace {

/// Where element i (row-major) of t lies in its storage.
std::int64_t place(const Tensor& t, std::int64_t i) {
  std::int64_t offset = 0;
  for (int d = t.shape().rank() - 1; d >= 0; --d) {
    offset += i % t.shape()[d] * t.strides()[d];
    i /= t.shape()[d];
  }
  return offset;
}

}  // namespace

GradcheckResult gradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs,
                          GradcheckOptions options) {
  if (!f) fail<ValueError>("gradcheck", "got an empty function, expected one to call");
  std::vector<Tensor> wanted;
  for (const Tensor& x : inputs) {
    if (!x.requires_grad()) continue;
    if (x.dtype() != kFloat64)
      fail<DTypeError>("gradcheck", "got an input of ", x.dtype(),
                       ", expected float64. Hint: differences in float32 are mostly rounding");
    wanted.push_back(x);
  }
  Generator generator(options.seed, 77);
  const Tensor y = f(inputs);
  const Tensor weight = randn(y.shape(), generator, kFloat64);
  const auto weighted = [&](const Tensor& out) { return sum(out * weight); };
  std::vector<Tensor> analytic(wanted.size());
  if (y.requires_grad()) analytic = grad({weighted(y)}, wanted, {}, {.allow_unused = true});

  GradcheckResult result;
  for (std::size_t k = 0; k < wanted.size(); ++k) {
    const Tensor& x = wanted[k];
    const std::vector<double> a = analytic[k].defined()
                                      ? analytic[k].to_vector()
                                      : std::vector<double>(static_cast<std::size_t>(x.numel()));
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      double& element = x.data_ptr<double>()[place(x, i)];
      const double before = element;
      const auto value_at = [&](double v) {
        struct Restore {  // a destructor, because f may throw
          double &element, before;
          ~Restore() { element = before; }
        } restore{element, before};
        element = v;
        return weighted(f(inputs)).item();
      };
      const double numeric =
          (value_at(before + options.step) - value_at(before - options.step)) / (2 * options.step);
      const double given = a[static_cast<std::size_t>(i)], gap = std::fabs(given - numeric);
      if (!(gap <= result.worst)) result.worst = gap;
      if (!(gap <= options.atol + options.rtol * std::fabs(numeric)) && result.ok) {
        result.ok = false;
        result.message =
            to_text("[gradcheck] input ", k, " of shape ", x.shape(), ", element ", i, ": got ",
                    given, " from the rule, expected ", numeric, " from differences");
      }
    }
  }
  return result;
}

GradcheckResult gradgradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs,
                              GradcheckOptions options) {
  if (!f) fail<ValueError>("gradgradcheck", "got an empty function, expected one to call");
  const TensorFunction gradient = [&](const std::vector<Tensor>& in) {
    std::vector<Tensor> wanted;
    for (const Tensor& x : in)
      if (x.requires_grad()) wanted.push_back(x);
    const EnableGradGuard enable;
    const Tensor y = f(in);
    Generator generator(options.seed, 78);
    const Tensor weight = randn(y.shape(), generator, kFloat64);
    const std::vector<Tensor> g =
        grad({sum(y * weight)}, wanted, {}, {.create_graph = true, .allow_unused = true});
    std::vector<Tensor> flat;
    for (std::size_t i = 0; i < g.size(); ++i)
      flat.push_back((g[i].defined() ? g[i] : zeros_like(wanted[i])).reshape({-1}));
    return cat(flat);
  };
  return gradcheck(gradient, inputs, options);
}

}  // namespace descent
