#include <descent/autograd/ops.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/parallel.h>
#include <descent/core/pool_vector.h>
#include <descent/core/simd/pack.h>
#include <descent/optim/rules/adafactor.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace descent::optim {

std::optional<Shape> Adafactor::slot_shape(int slot, const Shape& w) const {
  const bool factored = w.rank() >= 2;
  if ((slot == 2) == factored) return {};
  Shape shape = w;
  if (slot == 0) shape.erase(w.rank() - 1);
  if (slot == 1) shape.erase(w.rank() - 2);
  return shape;
}

namespace {

using descent::detail::PoolVector;

/// The least R/mean(R). The inverse of its root is still a float.
constexpr double kSmallest = 1e-37;
/// The largest g², so that thousands of them can be added.
template <class T>
constexpr T kLargest = std::numeric_limits<T>::max() / T(4096);

/// A stack of matrices with its R and C. Three passes follow each other: observe(), divide(),
/// move(). Each pass runs over bands of rows. The sums of the bands are added in order, so that the
/// result does not depend on threads.
template <class T>
class Factored {
 public:
  Factored(const Tensor& w, const Tensor& g, const Tensor& row, const Tensor& column)
      : rows_(w.size(-2)),
        columns_(w.size(-1)),
        bands_(w.numel() / (rows_ * columns_) * bands_of_matrix()),
        w_(kernel::data<T>(w)),
        g_(kernel::data<T>(g)),
        row_(kernel::data<T>(row)),
        column_(kernel::data<T>(column)),
        of_row_(static_cast<std::size_t>(row.numel())),
        of_column_(static_cast<std::size_t>(column.numel())),
        sums_(static_cast<std::size_t>(bands_)) {}

  /// Updates R and C with the means of G = g² + ε₁ in each row and in each column. Returns Σθ².
  double observe(double beta, double eps) {
    // For each band, ΣG of each column.
    PoolVector<T> above(static_cast<std::size_t>(bands_ * columns_));
    const double weights = each_band([&](std::int64_t band, std::int64_t first, std::int64_t end) {
      T* const sums = above.data() + band * columns_;
      for (std::int64_t i = first; i < end; ++i) {
        double of = 0;
        simd::sum_packs(
            columns_,
            [most = kLargest<T>, e = T(eps)](auto g, auto& sum) {
              const auto taken = min(g * g, most) + e;
              sum += taken;
              return std::array{taken};
            },
            &of, g_ + i * columns_, sums);
        row_[i] = T(beta * row_[i] + (1 - beta) * of / static_cast<double>(columns_));
      }
      double squares = 0;
      simd::sum_packs((end - first) * columns_, [](auto w) { return std::array{w * w}; }, &squares,
                      w_ + first * columns_);
      return squares;
    });
    const T keep = T(beta), share = T((1 - beta) / static_cast<double>(rows_));
    for (std::int64_t band = 0; band < bands_; ++band) {
      const T decay = band % bands_of_matrix() == 0 ? keep : T(1);
      simd::loop_packs(
          columns_, [=](auto& c, auto sum) { c = decay * c + share * sum; },
          column_ + band / bands_of_matrix() * columns_, above.data() + band * columns_);
    }
    return weights;
  }

  /// Prepares 1/√V = a·b, with a = 1/√(R/mean(R)) for each row and b = 1/√C for each column.
  /// Returns Σu².
  double divide() {
    for (std::size_t first = 0; first < of_row_.size(); first += static_cast<std::size_t>(rows_)) {
      double total = 0;
      for (std::int64_t i = 0; i < rows_; ++i) total += row_[static_cast<std::int64_t>(first) + i];
      const double scale = static_cast<double>(rows_) / total;
      for (std::int64_t i = 0; i < rows_; ++i)
        of_row_[first + static_cast<std::size_t>(i)] =
            1 / std::sqrt(std::max(row_[static_cast<std::int64_t>(first) + i] * scale, kSmallest));
    }
    simd::loop_packs(
        static_cast<std::int64_t>(of_column_.size()), [](auto& b, auto c) { b = 1 / sqrt(c); },
        of_column_.data(), static_cast<const T*>(column_));
    return each_band([&](std::int64_t band, std::int64_t first, std::int64_t end) {
      double squares = 0;
      for (std::int64_t i = first; i < end; ++i) {
        double of = 0;
        simd::sum_packs(
            columns_,
            [](auto g, auto b) {
              const auto u = g * b;
              return std::array{u * u};
            },
            &of, g_ + i * columns_, b_of(band));
        const double a = of_row_[static_cast<std::size_t>(i)];
        squares += a * a * of;
      }
      return squares;
    });
  }

  /// Makes the step: θ ← keep·θ − step·u.
  void move(double keep, double step) {
    each_band([&](std::int64_t band, std::int64_t first, std::int64_t end) {
      for (std::int64_t i = first; i < end; ++i)
        simd::loop_packs(
            columns_,
            [keep = T(keep), a = T(step * of_row_[static_cast<std::size_t>(i)])](
                auto& w, auto g, auto b) { w = keep * w - a * (g * b); },
            w_ + i * columns_, g_ + i * columns_, b_of(band));
      return 0.0;
    });
  }

 private:
  static constexpr std::int64_t kBand = 256, kTask = 65536;  // rows, elements

  std::int64_t bands_of_matrix() const { return (rows_ + height() - 1) / height(); }
  std::int64_t height() const { return std::clamp<std::int64_t>(kTask / columns_, 1, kBand); }
  const T* b_of(std::int64_t band) const {
    return of_column_.data() + band / bands_of_matrix() * columns_;
  }
  /// Calls f(band, first row, end) for each band, on several threads. Returns the sum of the
  /// results.
  double each_band(const auto& f) {
    const std::int64_t most = bands_of_matrix();
    parallel_for(bands_, std::max<std::int64_t>(1, kTask / (height() * columns_)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (; begin < end; ++begin) {
                     const std::int64_t matrix = begin / most * rows_,
                                        first = begin % most * height();
                     sums_[static_cast<std::size_t>(begin)] =
                         f(begin, matrix + first, matrix + std::min(first + height(), rows_));
                   }
                 });
    double total = 0;
    for (const double sum : sums_) total += sum;
    return total;
  }

  std::int64_t rows_, columns_, bands_;
  T* w_;
  const T* g_;
  T *row_, *column_;
  PoolVector<T> of_row_, of_column_;
  PoolVector<double> sums_;
};

}  // namespace

void Adafactor::update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> state) const {
  if (w.numel() == 0) return;
  const auto t = static_cast<double>(s.t), n = static_cast<double>(w.numel());
  const double beta = 1 - std::pow(t, -beta2_decay(s));
  const double keep = 1 - lr(s) * weight_decay(s);
  const auto step = [&](double weights, double u) {  // from Σθ² and Σu²
    const double size = std::max(eps2(s), std::sqrt(weights / n));
    return size * std::min(lr(s), 1 / std::sqrt(t)) / std::max(1.0, std::sqrt(u / n) / clip(s));
  };
  const auto factored = [&](auto zero) {
    Factored<decltype(zero)> matrices(w, g, state[0], state[1]);
    const double weights = matrices.observe(beta, eps1(s)), u = matrices.divide();
    matrices.move(keep, step(weights, u));
  };
  if (w.dim() >= 2) return w.dtype() == kFloat64 ? factored(double{}) : factored(float{});

  const Tensor& v = state[2];
  v.mul_(beta).add_(
      clamp(square(g), {}, w.dtype() == kFloat64 ? kLargest<double> : kLargest<float>) + eps1(s),
      1 - beta);
  const Tensor u = g * rsqrt(v);
  const auto squares = [](const Tensor& x) { return sum(square(x)).item(); };
  const double by = step(squares(w), squares(u));
  w.mul_(keep).sub_(u * by);
}

}  // namespace descent::optim
