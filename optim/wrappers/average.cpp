#include <descent/core/kernels/copy.h>
#include <descent/core/launch.h>
#include <descent/core/parallel.h>
#include <descent/core/simd/pack.h>
#include <descent/optim/wrappers/average.h>

namespace descent::optim::detail {

namespace {

constexpr std::int64_t kGrain = 65536;  // elements in a task

template <class T>
void approach_as(const Tensor& average, const Tensor& weights, T share) {
  T* const to = kernel::data<T>(average);
  const T* const from = kernel::data<T>(weights);
  const auto formula = [share](auto& a, auto w) { a = share == 1 ? w : a + (w - a) * share; };
  if (average.strides() == weights.strides() && kernel::is_dense(average))
    return parallel_for(average.numel(), kGrain, [=](std::int64_t begin, std::int64_t end) {
      simd::loop_packs(end - begin, formula, to + begin, from + begin);
    });
  // The weights are a view with gaps, or the average was loaded: goes along both strides.
  const Shape& shape = average.shape();
  Shape index = Shape::filled(shape.rank(), 0);
  for (std::int64_t i = 0; i < average.numel(); ++i) {
    std::int64_t a = 0, w = 0;
    for (int d = 0; d < shape.rank(); ++d) {
      a += index[d] * average.strides()[d];
      w += index[d] * weights.strides()[d];
    }
    formula(to[a], from[w]);
    for (int d = shape.rank() - 1; d >= 0 && ++index[d] == shape[d]; --d) index[d] = 0;
  }
}

}  // namespace

void approach(const Tensor& average, const Tensor& weights, double share) {
  if (average.dtype() == kFloat64)
    approach_as<double>(average, weights, share);
  else
    approach_as<float>(average, weights, static_cast<float>(share));
  descent::detail::count_write(average);
}

Following::Following(std::string_view wrapper, std::vector<Tensor>& average, const Update& u)
    : average_(average), parameters_(u.parameters()) {
  if (average.empty())
    for (const Parameter& p : parameters_) first_.push_back(kernel::clone(p.value));
  for (std::size_t i = 0; i < average.size(); ++i)
    if (average[i].dtype() != u.weight(i).dtype())
      fail<StateError>(wrapper, "got parameter '", parameters_[i].name, "' of ",
                       u.weight(i).dtype(), ", expected ", average[i].dtype(),
                       " as in its average. Hint: convert a module before the optimizer is made");
}

void Following::move(double share) {
  for (std::size_t i = 0; i < average_.size(); ++i)
    approach(average_[i], parameters_[i].value, share);
  if (first_.empty()) return;
  for (std::size_t i = 0; i < first_.size(); ++i) approach(first_[i], parameters_[i].value, 1);
  average_ = std::move(first_);
}

}  // namespace descent::optim::detail
