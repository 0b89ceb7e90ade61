#include <descent/core/kernels/elementwise.h>
#include <descent/core/kernels/losses.h>
#include <descent/core/kernels/math.h>
#include <descent/core/kernels/softmax_row.h>
#include <descent/core/launch.h>
#include <descent/core/parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

// Legend: N rows, C classes; x logits or inputs, t targets, g the gradient of the loss.

namespace descent::kernel {

using detail::launch;

namespace {

constexpr int kLanes = kRowLanes;
constexpr std::int64_t kGrain = 16384;  // elements a task
constexpr std::int64_t kFewClasses = 64;
constexpr std::int64_t kBatch = 64;  // rows whose losses are added up at a time

/// For rows [begin, end), writes the probabilities, and writes the losses to `losses`. An ignored
/// row has a loss of 0.
template <class T>
class CrossEntropyRows {
 public:
  CrossEntropyRows(const T* logits, T* probabilities, const std::int64_t* labels,
                   std::int64_t classes, std::int64_t ignored)
      : x_(logits), p_(probabilities), label_(labels), C_(classes), ignore_(ignored) {}

  void operator()(std::int64_t begin, std::int64_t end, T* losses) const {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t l = label_[r];
      if (l != ignore_ && (l < 0 || l >= C_)) fail_label(r);
    }
    if (C_ <= kFewClasses)
      few_classes(begin, end, losses);
    else
      many_classes(begin, end, losses);
  }

 private:
  /// One row at a time.
  void many_classes(std::int64_t begin, std::int64_t end, T* losses) const {
    const CrossEntropyRows c = *this;
    simd::call([=]() __attribute__((always_inline)) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T* row = c.x_ + r * c.C_;
        T* to = c.p_ + r * c.C_;
        const RowSoftmax<T> s = exp_row(row, to, c.C_);
        const T scale = 1 / s.total;
        for (std::int64_t i = 0; i < c.C_; ++i) to[i] *= scale;
        losses[r - begin] =
            c.label_[r] == c.ignore_ ? T(0) : math::log(s.total) - (row[c.label_[r]] - s.max);
      }
    });
  }

  /// Sixteen rows at a time, one row in each lane. For few classes: a single row would leave lanes
  /// idle.
  void few_classes(std::int64_t begin, std::int64_t end, T* losses) const {
    const CrossEntropyRows c = *this;
    simd::call([=]() __attribute__((always_inline)) {
      T t[kFewClasses][kLanes];
      for (std::int64_t first = begin; first < end; first += kLanes) {
        const std::int64_t rows = end - first < kLanes ? end - first : kLanes;
        const T* x = c.x_ + first * c.C_;
        T* p = c.p_ + first * c.C_;
        if (rows < kLanes)
          for (std::int64_t i = 0; i < c.C_; ++i)
            for (int k = 0; k < kLanes; ++k) t[i][k] = 0;
        for (std::int64_t k = 0; k < rows; ++k)
          for (std::int64_t i = 0; i < c.C_; ++i) t[i][k] = x[k * c.C_ + i];
        T high[kLanes], total[kLanes], log_total[kLanes];
        for (int k = 0; k < kLanes; ++k) high[k] = t[0][k];
        for (std::int64_t i = 1; i < c.C_; ++i)
          for (int k = 0; k < kLanes; ++k) high[k] = t[i][k] > high[k] ? t[i][k] : high[k];
        for (int k = 0; k < kLanes; ++k) total[k] = 0;
        for (std::int64_t i = 0; i < c.C_;) {
          T part[kLanes] = {};
          for (const std::int64_t last = c.C_ - i < 16 ? c.C_ : i + 16; i < last; ++i)
            for (int k = 0; k < kLanes; ++k)
              part[k] += t[i][k] = math::exp_below_zero(t[i][k] - high[k]);
          for (int k = 0; k < kLanes; ++k) total[k] += part[k];
        }
        for (int k = 0; k < kLanes; ++k) log_total[k] = math::log(total[k]);
        for (int k = 0; k < kLanes; ++k) total[k] = 1 / total[k];
        for (std::int64_t i = 0; i < c.C_; ++i)
          for (int k = 0; k < kLanes; ++k) t[i][k] *= total[k];
        for (std::int64_t k = 0; k < rows; ++k) {
          for (std::int64_t i = 0; i < c.C_; ++i) p[k * c.C_ + i] = t[i][k];
          const std::int64_t l = c.label_[first + k];
          losses[first + k - begin] =
              l == c.ignore_ ? T(0) : log_total[k] - (x[k * c.C_ + l] - high[k]);
        }
      }
    });
  }

  [[noreturn, gnu::noinline]] void fail_label(std::int64_t r) const {
    fail<ValueError>("cross_entropy", "got label ", label_[r], " at position ", r,
                     ", expected one in [0, ", C_, ")",
                     ignore_ >= 0 || ignore_ == -100 ? "" : to_text(" or ", ignore_),
                     ". Hint: the last layer needs as many outputs as there are classes");
  }

  const T* x_;
  T* p_;
  const std::int64_t* label_;
  std::int64_t C_, ignore_;
};

}  // namespace

CrossEntropy cross_entropy(const Tensor& input, const Tensor& labels, std::int64_t ignore,
                           bool mean) {
  const Tensor copied = input.is_contiguous() ? Tensor() : contiguous(input);
  const Tensor& logits = copied.defined() ? copied : input;
  const std::int64_t N = logits.shape()[0], C = logits.shape()[1];
  const DType dtype = logits.dtype();
  CrossEntropy out{empty({}, dtype), empty_as(logits, dtype), empty({}, dtype)};
  dispatch_floating(dtype, [&]<class T>(T) {
    const CrossEntropyRows<T> rows(data<T>(logits), data<T>(out.probabilities),
                                   data<std::int64_t>(labels), C, ignore);
    T *loss = data<T>(out.loss), *share = data<T>(out.share);
    const auto* label = data<std::int64_t>(labels);
    launch("cross_entropy", {&out.loss, &out.probabilities, &out.share}, {&logits, &labels}, [=] {
      const std::int64_t pieces = (N + kBatch - 1) / kBatch;
      T few[kBatch];
      double partial = 0;
      std::vector<double> partials;  // for many rows: the sum of each piece
      double* to = &partial;
      if (pieces > 1) {
        partials.resize(static_cast<std::size_t>(pieces));
        to = partials.data();
      }
      const auto piece = [=](std::int64_t i, T* losses) {
        const std::int64_t end = std::min(N, (i + 1) * kBatch);
        rows(i * kBatch, end, losses);
        double sum = 0;
        for (std::int64_t r = i * kBatch; r < end; ++r)
          sum += static_cast<double>(losses[r - i * kBatch]);
        to[i] = sum;
      };
      if (pieces == 1)
        piece(0, few);
      else
        parallel_for(pieces, std::max<std::int64_t>(1, kGrain / (kBatch * C)),
                     [=](std::int64_t begin, std::int64_t end) {
                       T losses[kBatch];
                       for (std::int64_t i = begin; i < end; ++i) piece(i, losses);
                     });
      double sum = 0;
      for (std::int64_t i = 0; i < pieces; ++i) sum += to[i];
      std::int64_t counted = 0;
      for (std::int64_t r = 0; r < N; ++r) counted += label[r] != ignore;
      // If every row is ignored, the mean is 0/0 = NaN. Its gradient is 0.
      *loss = static_cast<T>(mean ? sum / static_cast<double>(counted) : sum);
      *share = static_cast<T>(!mean ? 1 : counted > 0 ? 1 / static_cast<double>(counted) : 0);
    });
  });
  return out;
}

Tensor cross_entropy_grad(const Tensor& g, const CrossEntropy& forward, const Tensor& labels,
                          std::int64_t ignore) {
  const Tensor& probabilities = forward.probabilities;
  const std::int64_t N = probabilities.shape()[0], C = probabilities.shape()[1];
  Tensor out = empty_as(probabilities, probabilities.dtype());
  dispatch_floating(probabilities.dtype(), [&]<class T>(T) {
    const T *p = data<T>(probabilities), *from = data<T>(g), *share = data<T>(forward.share);
    const auto* label = data<std::int64_t>(labels);
    T* to = data<T>(out);
    launch("cross_entropy", {&out}, {&probabilities, &g, &forward.share, &labels}, [=] {
      const T s = *from * *share;
      parallel_for(N, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(C, 1)),
                   [=](std::int64_t begin, std::int64_t end) {
                     simd::loop((end - begin) * C, [s](const T& v, T& d) { d = v * s; },
                                p + begin * C, to + begin * C);
                     for (std::int64_t r = begin; r < end; ++r)
                       if (label[r] != ignore)
                         to[r * C + label[r]] -= s;
                       else
                         std::fill_n(to + r * C, C, T(0));
                   });
    });
  });
  return out;
}

// ---- losses of pairs ----

namespace {

/// scale · Σ f(x, t). Each piece is summed in lanes; the pieces are added in their order.
template <class F>
Tensor pair_loss(const char* op, const Tensor& input, const Tensor& target, double scale, F f) {
  const Tensor x = contiguous(input), t = contiguous(target);
  Tensor out = empty({}, x.dtype());
  dispatch_floating(x.dtype(), [&]<class T>(T) {
    const T *a = data<T>(x), *b = data<T>(t);
    T* to = data<T>(out);
    launch(op, {&out}, {&x, &t}, [=, n = x.numel()] {
      const auto piece = [=](std::int64_t begin, std::int64_t end) {
        double result = 0;
        double* sum = &result;
        simd::call([=]() __attribute__((always_inline)) {
          double total[kLanes] = {};
          for (std::int64_t i = begin; i < end;) {
            T lanes[kLanes];
            for (int k = 0; k < kLanes; ++k) lanes[k] = 0;
            const std::int64_t last = block_end(i, end);
            for (; i + kLanes <= last; i += kLanes)
              for (int k = 0; k < kLanes; ++k) lanes[k] += f(a[i + k], b[i + k]);
            for (int k = 0; i < last; ++i, ++k) lanes[k] += f(a[i], b[i]);
            add_lanes(lanes, total);
          }
          *sum = sum_of_lanes(total);
        });
        return result;
      };
      constexpr std::int64_t kPiece = 4096;
      double sum = 0;
      if (n <= kPiece) {
        sum = piece(0, n);
      } else {
        const std::int64_t pieces = (n + kPiece - 1) / kPiece;
        std::vector<double> partials(static_cast<std::size_t>(pieces));
        double* partial = partials.data();
        parallel_for(pieces, kGrain / kPiece, [=](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i)
            partial[i] = piece(i * kPiece, std::min(n, (i + 1) * kPiece));
        });
        for (const double p : partials) sum += p;
      }
      *to = static_cast<T>(sum * scale);
    });
  });
  return out;
}

/// g · scale · df(x, t).
template <class F>
Tensor pair_loss_grad(const char* op, const Tensor& g, const Tensor& input, const Tensor& target,
                      double scale, F df) {
  const Tensor x = contiguous(input), t = contiguous(target);
  Tensor out = empty_as(x, x.dtype());
  dispatch_floating(x.dtype(), [&]<class T>(T) {
    const T *a = data<T>(x), *b = data<T>(t), *from = data<T>(g);
    T* to = data<T>(out);
    launch(op, {&out}, {&g, &x, &t}, [=, n = x.numel()] {
      const T s = static_cast<T>(static_cast<double>(*from) * scale);
      parallel_for(n, kElementwiseGrain, [=](std::int64_t begin, std::int64_t end) {
        simd::loop(
            end - begin, [s, df](const T& v, const T& w, T& d) { d = s * df(v, w); }, a + begin,
            b + begin, to + begin);
      });
    });
  });
  return out;
}

}  // namespace

Tensor squared_error(const Tensor& x, const Tensor& t, double scale) {
  return pair_loss("mse_loss", x, t, scale, [](auto v, auto w) { return (v - w) * (v - w); });
}
Tensor squared_error_grad(const Tensor& g, const Tensor& x, const Tensor& t, double scale) {
  return pair_loss_grad("mse_loss", g, x, t, 2 * scale, [](auto v, auto w) { return v - w; });
}

Tensor logistic_loss(const Tensor& x, const Tensor& t, double scale) {
  // The loss has two equal forms: (1 − t)·x + log(1 + e⁻ˣ) and −t·x + log(1 + eˣ). The first form
  // is exact for x >= 0, the second for x < 0, because their terms do not cancel there.
  return pair_loss("bce_with_logits", x, t, scale, [](auto v, auto w) {
    using T = decltype(v);
    return (v < 0 ? -w : T(1) - w) * v + math::log1p(math::exp(v < 0 ? v : -v));
  });
}
Tensor logistic_loss_grad(const Tensor& g, const Tensor& x, const Tensor& t, double scale) {
  return pair_loss_grad("bce_with_logits", g, x, t, scale,
                        [](auto v, auto w) { return math::sigmoid(v) - w; });
}

}  // namespace descent::kernel
