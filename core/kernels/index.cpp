#include <descent/core/create.h>
#include <descent/core/kernels/elementwise.h>
#include <descent/core/kernels/index.h>
#include <descent/core/launch.h>
#include <descent/core/parallel.h>
#include <descent/core/pool_vector.h>

#include <algorithm>
#include <cstring>

namespace descent::kernel {

using detail::launch;

namespace {

constexpr std::int64_t kCopyGrain = 64 * 1024;  // bytes a task

const std::int64_t* indices(const char* op, const Tensor& index) {
  if (index.dtype() != kInt64)
    fail<DTypeError>(op, "got an index of dtype ", index.dtype(), ", expected int64");
  return data<std::int64_t>(index);
}

void check_indices(const char* op, const std::int64_t* p, std::int64_t n, std::int64_t extent) {
  for (std::int64_t i = 0; i < n; ++i)
    if (p[i] < 0 || p[i] >= extent)
      fail<ValueError>(op, "got index ", p[i], " at position ", i, ", expected one in [0, ", extent,
                       ")");
}

void check_source(const char* op, const Tensor& index, const Tensor& source) {
  if (!(index.shape() == source.shape()))
    fail<ShapeError>(op, "got an index of shape ", index.shape(), " and values of shape ",
                     source.shape(), ", expected equal shapes");
}

/// A contiguous tensor as (outer, n, inner) around one dimension.
struct Slabs {
  std::int64_t outer = 1, n = 1, inner = 1;
  Slabs(const Shape& shape, int dim) {
    for (int d = 0; d < shape.rank(); ++d) (d < dim ? outer : d == dim ? n : inner) *= shape[d];
  }
};

/// Sums for the few places that are hit often. A float that a million numbers are added to loses
/// digits, and a double for every place would need twice the memory. Each number that is added is a
/// hit of a place; a place is a row of `inner` elements.
template <class T>
class OftenHit {
 public:
  /// place(i) is the place of hit i < hits.
  template <class F>
  OftenHit(std::int64_t hits, std::int64_t places, std::int64_t inner, F place) : inner_(inner) {
    if (hits <= kFew || std::is_same_v<T, std::int64_t>) return;
    slot_.resize(static_cast<std::size_t>(places));
    for (std::int64_t i = 0; i < hits; ++i) ++slot_[static_cast<std::size_t>(place(i))];
    for (std::int64_t& slot : slot_) slot = slot > kFew ? often_++ : -1;
    sums_.resize(static_cast<std::size_t>(often_ * inner));
  }
  /// Adds from[k] to place p of `to`, for each k < inner.
  void add(const T* from, T* to, std::int64_t p) {
    const std::int64_t slot = often_ > 0 ? slot_[static_cast<std::size_t>(p)] : -1;
    if (slot < 0)
      for (std::int64_t k = 0; k < inner_; ++k) to[p * inner_ + k] += from[k];
    else
      for (std::int64_t k = 0; k < inner_; ++k)
        sums_[static_cast<std::size_t>(slot * inner_ + k)] += static_cast<double>(from[k]);
  }
  /// Adds the sums to the places of `to`.
  void finish(T* to) const {
    for (std::size_t p = 0; often_ > 0 && p < slot_.size(); ++p)
      for (std::int64_t k = 0; slot_[p] >= 0 && k < inner_; ++k) {
        T& place = to[static_cast<std::int64_t>(p) * inner_ + k];
        place = static_cast<T>(static_cast<double>(place) +
                               sums_[static_cast<std::size_t>(slot_[p] * inner_ + k)]);
      }
  }

 private:
  static constexpr std::int64_t kFew = 64;  // hits that a place may take in its own type
  std::int64_t inner_, often_ = 0;
  detail::PoolVector<std::int64_t> slot_;  // of each place; −1 for a place that is seldom hit
  detail::PoolVector<double> sums_;
};

void check_vector(const char* op, const Tensor& index) {
  if (index.dim() != 1)
    fail<ShapeError>(op, "got an index of shape ", index.shape(), ", expected (n,)");
}

}  // namespace

Tensor index_select(const Tensor& input, std::int64_t dim, const Tensor& index_input) {
  check_vector("index_select", index_input);
  const int d = normalize_dim("index_select", dim, input.shape().rank());
  if (input.dim() == 0)
    fail<ShapeError>("index_select", "got a scalar, expected a dimension to select along");
  const Tensor x = contiguous(input), index = contiguous(index_input);
  const Slabs s(x.shape(), d);
  const std::int64_t* at = indices("index_select", index);
  const std::int64_t n = index.numel();
  Shape shape = x.shape();
  shape[d] = n;
  Tensor out = empty(shape, x.dtype());
  const std::size_t bytes = static_cast<std::size_t>(s.inner) * size_of(x.dtype());
  const char* from = static_cast<const char*>(x.raw());
  char* to = static_cast<char*>(out.raw());
  launch("index_select", {&out}, {&x, &index}, [=] {
    check_indices("index_select", at, n, s.n);
    const std::int64_t grain =
        std::max<std::int64_t>(1, kCopyGrain / static_cast<std::int64_t>(bytes + 1));
    parallel_for(s.outer * n, grain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t o = s.outer == 1 ? 0 : i / n;
        const char* source = from + static_cast<std::size_t>(o * s.n + at[i - o * n]) * bytes;
        if (bytes == 8)  // the commonest short rows: a label, or two floats
          std::memcpy(to + i * 8, source, 8);
        else if (bytes == 4)
          std::memcpy(to + i * 4, source, 4);
        else
          std::memcpy(to + static_cast<std::size_t>(i) * bytes, source, bytes);
      }
    });
  });
  return out;
}

Tensor index_add(const Shape& shape, std::int64_t dim, const Tensor& index_input,
                 const Tensor& source) {
  check_vector("index_add", index_input);
  const int d = normalize_dim("index_add", dim, shape.rank());
  const Tensor src = contiguous(source), index = contiguous(index_input);
  Tensor out = zeros(shape, src.dtype());
  const Slabs s(shape, d);
  const std::int64_t* at = indices("index_add", index);
  const std::int64_t n = index.numel();
  dispatch_numeric(src.dtype(), [&]<class T>(T) {
    const T* from = data<T>(src);
    T* to = data<T>(out);
    launch("index_add", {&out}, {&src, &index}, [=] {
      check_indices("index_add", at, n, s.n);
      for (std::int64_t o = 0; o < s.outer; ++o) {
        T* const out_of = to + o * s.n * s.inner;
        OftenHit<T> sums(n, s.n, s.inner, [=](std::int64_t i) { return at[i]; });
        for (std::int64_t i = 0; i < n; ++i) sums.add(from + (o * n + i) * s.inner, out_of, at[i]);
        sums.finish(out_of);
      }
    });
  });
  return out;
}

namespace {

/// Launches work(each): each(f) calls f(position in index, position in x), both contiguous, for all
/// positions of a gather along dim.
template <class F>
void launch_gathered(const char* op, const Tensor& x, int d, const Tensor& index, const Tensor& out,
                     const Tensor& source, F work) {
  if (index.dim() != x.dim())
    fail<ShapeError>(op, "got an index of shape ", index.shape(), " for a tensor of shape ",
                     x.shape(), ", expected equal ranks");
  for (int k = 0; k < x.shape().rank(); ++k)
    if (k != d && index.shape()[k] > x.shape()[k])
      fail<ShapeError>(op, "got an index of shape ", index.shape(), " for a tensor of shape ",
                       x.shape(), ", expected no larger extent outside dimension ", d);
  const std::int64_t* at = indices(op, index);
  const std::int64_t extent = x.dim() > 0 ? x.shape()[d] : 1;
  launch(op, {&out}, {&index, &source},
         [=, shape = index.shape(), strides = x.shape().contiguous_strides(), n = index.numel()] {
           check_indices(op, at, n, extent);
           work([&](auto f) {
             Shape place = Shape::filled(shape.rank(), 0);
             for (std::int64_t i = 0; i < n; ++i) {
               std::int64_t offset = 0;
               for (int k = 0; k < place.rank(); ++k)
                 offset += (k == d ? at[i] : place[k]) * strides[k];
               f(i, offset);
               for (int k = place.rank() - 1; k >= 0 && ++place[k] == shape[k]; --k) place[k] = 0;
             }
           });
         });
}

}  // namespace

Tensor gather(const Tensor& input, std::int64_t dim, const Tensor& index_input) {
  const int d = normalize_dim("gather", dim, input.shape().rank());
  const Tensor x = contiguous(input), index = contiguous(index_input);
  Tensor out = empty(index.shape(), x.dtype());
  dispatch_all(x.dtype(), [&]<class T>(T) {
    const T* from = data<T>(x);
    T* to = data<T>(out);
    launch_gathered("gather", x, d, index, out, x, [=](auto each) {
      each([=](std::int64_t i, std::int64_t offset) { to[i] = from[offset]; });
    });
  });
  return out;
}

Tensor scatter_add(const Tensor& input, std::int64_t dim, const Tensor& index_input,
                   const Tensor& source) {
  const int d = normalize_dim("scatter_add", dim, input.shape().rank());
  check_source("scatter_add", index_input, source);
  const DType dtype = promote(promote(input.dtype(), source.dtype()), kInt64);
  const Tensor index = contiguous(index_input), src = contiguous(cast(source, dtype));
  Tensor out = empty(input.shape(), dtype);
  copy(input, out);
  dispatch_numeric(dtype, [&]<class T>(T) {
    const T* from = data<T>(src);
    T* to = data<T>(out);
    launch_gathered("scatter_add", out, d, index, out, src,
                    [=, n = src.numel(), places = out.numel()](auto each) {
                      detail::PoolVector<std::int64_t> place(static_cast<std::size_t>(n));
                      each([&](std::int64_t i, std::int64_t offset) {
                        place[static_cast<std::size_t>(i)] = offset;
                      });
                      const auto place_of = [&](std::int64_t i) {
                        return place[static_cast<std::size_t>(i)];
                      };
                      OftenHit<T> sums(n, places, 1, place_of);
                      for (std::int64_t i = 0; i < n; ++i) sums.add(from + i, to, place_of(i));
                      sums.finish(to);
                    });
  });
  return out;
}

Tensor scatter(const Tensor& input, std::int64_t dim, const Tensor& index_input,
               const Tensor& source) {
  const int d = normalize_dim("scatter", dim, input.shape().rank());
  check_source("scatter", index_input, source);
  const DType dtype = promote(input.dtype(), source.dtype());
  const Tensor index = contiguous(index_input), src = contiguous(cast(source, dtype));
  Tensor out = empty(input.shape(), dtype);
  copy(input, out);
  dispatch_all(dtype, [&]<class T>(T) {
    const T* from = data<T>(src);
    T* to = data<T>(out);
    launch_gathered("scatter", out, d, index, out, src, [=](auto each) {
      each([=](std::int64_t i, std::int64_t offset) { to[offset] = from[i]; });
    });
  });
  return out;
}

Tensor argsort(const Tensor& input, std::int64_t dim, bool descending) {
  if (input.dim() == 0) return zeros({}, kInt64);
  const int d = normalize_dim("argsort", dim, input.shape().rank());
  const Tensor x = contiguous(input);
  Tensor out = empty(x.shape(), kInt64);
  const Slabs s(x.shape(), d);
  std::int64_t* to = data<std::int64_t>(out);
  dispatch_all(x.dtype(), [&]<class T>(T) {
    const T* from = data<T>(x);
    launch("argsort", {&out}, {&x}, [=] {
      const std::int64_t grain = std::max<std::int64_t>(1, kCopyGrain / (8 * s.n + 1));
      parallel_for(s.outer * s.inner, grain, [=](std::int64_t begin, std::int64_t end) {
        detail::PoolVector<std::int64_t> order(static_cast<std::size_t>(s.n));
        for (std::int64_t row = begin; row < end; ++row) {
          const std::int64_t start = row / s.inner * s.n * s.inner + row % s.inner;
          for (std::int64_t i = 0; i < s.n; ++i) order[static_cast<std::size_t>(i)] = i;
          const auto less = [=](std::int64_t i, std::int64_t k) {
            const T v = from[start + i * s.inner], w = from[start + k * s.inner];
            if constexpr (std::is_floating_point_v<T>)
              if (v != v || w != w) return v == v;  // a NaN is larger than any number
            return v < w;
          };
          std::stable_sort(order.begin(), order.end(), [=](std::int64_t i, std::int64_t k) {
            return descending ? less(k, i) : less(i, k);
          });
          for (std::int64_t i = 0; i < s.n; ++i)
            to[start + i * s.inner] = order[static_cast<std::size_t>(i)];
        }
      });
    });
  });
  return out;
}

Tensor nonzero(const Tensor& input) {
  detail::check_may_read("nonzero");
  const Tensor x = contiguous(input);
  std::vector<std::int64_t> places;
  dispatch_all(x.dtype(), [&]<class T>(T) {
    const T* p = data<T>(x);
    for (std::int64_t i = 0; i < x.numel(); ++i)
      if (p[i] != T(0)) places.push_back(i);
  });
  return tensor(places);
}

Tensor one_hot(const Tensor& labels_input, std::int64_t classes, DType dtype) {
  if (labels_input.dtype() != kInt64)
    fail<DTypeError>("one_hot", "got labels of dtype ", labels_input.dtype(), ", expected int64");
  const Tensor labels = contiguous(labels_input);
  const auto* label = data<std::int64_t>(labels);
  if (classes < 0) {  // as many as the largest label needs
    detail::check_may_read("one_hot");
    classes = 0;
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      if (label[i] < 0 || label[i] >= std::int64_t{1} << 40)
        fail<ValueError>("one_hot", "got label ", label[i], " at position ", i,
                         ", expected 0 or more");
      classes = std::max(classes, label[i] + 1);
    }
  }
  Shape shape = labels.shape();
  shape.push_back(classes);
  Tensor out = zeros(shape, dtype);
  dispatch_all(dtype, [&]<class T>(T) {
    T* to = data<T>(out);
    launch("one_hot", {&out}, {&labels}, [=, n = labels.numel()] {
      for (std::int64_t i = 0; i < n; ++i) {
        if (label[i] < 0 || label[i] >= classes)
          fail<ValueError>("one_hot", "got label ", label[i], " at position ", i,
                           ", expected one in [0, ", classes, ")");
        to[i * classes + label[i]] = T(1);
      }
    });
  });
  return out;
}

Tensor cat(const std::vector<Tensor>& tensors, std::int64_t dim) {
  if (tensors.empty()) fail<ValueError>("cat", "got no tensors, expected at least one");
  const Shape& first = tensors[0].shape();
  const int d = normalize_dim("cat", dim, first.rank());
  if (first.rank() == 0)
    fail<ShapeError>("cat", "got scalars, expected at least one dimension. Hint: use stack()");
  Shape shape = first;
  DType dtype = tensors[0].dtype();
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    const Shape& s = tensors[i].shape();
    bool fits = s.rank() == first.rank();
    for (int k = 0; fits && k < s.rank(); ++k) fits = k == d || s[k] == first[k];
    if (!fits)
      fail<ShapeError>("cat", "got ", first, " and ", s, " (number ", i,
                       "), expected equal extents outside dimension ", d);
    shape[d] += s[d];
    dtype = promote(dtype, tensors[i].dtype());
  }
  Tensor out = empty(shape, dtype);
  std::int64_t at = 0;
  for (const Tensor& t : tensors) {
    if (t.numel() > 0) copy(t, view_of(out, t.shape(), out.strides(), at * out.strides()[d]));
    at += t.shape()[d];
  }
  return out;
}

}  // namespace descent::kernel
