// The driver of every elementwise kernel.
//
// A formula gets contiguous spans only. If an operand is strided or repeated, the driver first
// copies a tile of the operand into a small buffer. Each formula is therefore compiled for
// contiguous memory only, and only the driver has to walk through up to eight dimensions.
#pragma once

#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/simd/loop.h>

#include <bit>
#include <initializer_list>
#include <new>
#include <type_traits>

namespace descent::kernel {

/// Elements of one task. Smaller work runs on the calling thread.
inline constexpr std::int64_t kElementwiseGrain = 65536;

/// A function that computes out[i] from in[0][i], in[1][i], … for n elements. It holds a copy of a
/// lambda, which may hold up to 32 bytes of numbers.
class SpanFunction {
 public:
  SpanFunction() = default;
  template <class F>
  SpanFunction(const F& f)
      : call_([](const void* formula, void* out, const void* const* in, std::int64_t n) {
          (*static_cast<const F*>(formula))(out, in, n);
        }) {
    static_assert(sizeof(F) <= sizeof(formula_) && std::is_trivially_copyable_v<F>);
    new (formula_) F(f);
  }
  void operator()(void* out, const void* const* in, std::int64_t n) const {
    call_(formula_, out, in, n);
  }

 private:
  alignas(8) unsigned char formula_[32];
  void (*call_)(const void*, void*, const void* const*, std::int64_t);
};

/// Holds x in the given type: x itself if x has the type, and otherwise a converted copy. An object
/// lives for one call, and x must outlive the object.
class As {
 public:
  As(const Tensor& x, DType dtype) : tensor_(&x) {
    if (x.dtype() != dtype) [[unlikely]]
      convert(x, dtype);
  }
  As(const As&) = delete;
  As& operator=(const As&) = delete;
  const Tensor& operator*() const { return *tensor_; }
  const Tensor* operator->() const { return tensor_; }
  const Tensor* operator&() const { return tensor_; }

 private:
  void convert(const Tensor& x, DType dtype);
  Tensor made_;
  const Tensor* tensor_;
};

/// How an output lies in memory: row-major, or like its inputs if all inputs have the same layout.
enum class Layout { as_inputs, row_major };

/// Broadcasts up to three inputs, and applies f to all elements. If all inputs are dense and have
/// the same strides, the output has the same strides too, unless the layout argument asks for
/// row-major. Throws ShapeError, which names `op`, if the inputs do not broadcast.
Tensor elementwise(std::string_view op, std::initializer_list<const Tensor*> inputs, DType out,
                   const SpanFunction& f, Layout layout = Layout::as_inputs);

/// @name From a DType to a C++ type
/// Calls f(T{}) with the C++ type of dtype, which must be a floating, numeric or any type.
/// @{
template <class F>
auto dispatch_floating(DType dtype, F f) {
  return dtype == kFloat64 ? f(double{}) : f(float{});
}
template <class F>
auto dispatch_numeric(DType dtype, F f) {
  return dtype == kInt64 ? f(std::int64_t{}) : dispatch_floating(dtype, f);
}
template <class F>
auto dispatch_all(DType dtype, F f) {
  return dtype == kBool ? f(bool{}) : dispatch_numeric(dtype, f);
}
/// @}

/// out[i] = f(x[i]). f takes and gives the floating type of x; integers become float32.
template <class F>
Tensor map(std::string_view op, const Tensor& x, F f) {
  const DType dtype = promote_to_floating(x.dtype());
  const As a(x, dtype);
  return dispatch_floating(dtype, [&]<class T>(T) {
    return elementwise(op, {&a}, dtype, [f](void* out, const void* const* in, std::int64_t n) {
      simd::loop(
          n, [f](const T& v, T& o) { o = f(v); }, static_cast<const T*>(in[0]),
          static_cast<T*>(out));
    });
  });
}

/// out[i] = f(x[i], y[i]) in the promoted floating type; integers become float32.
template <class F>
Tensor map2(std::string_view op, const Tensor& x, const Tensor& y, F f) {
  const DType dtype = promote_to_floating(promote(x.dtype(), y.dtype()));
  const As a(x, dtype), b(y, dtype);
  return dispatch_floating(dtype, [&]<class T>(T) {
    return elementwise(op, {&a, &b}, dtype, [f](void* out, const void* const* in, std::int64_t n) {
      simd::loop(
          n, [f](const T& v, const T& w, T& o) { o = f(v, w); }, static_cast<const T*>(in[0]),
          static_cast<const T*>(in[1]), static_cast<T*>(out));
    });
  });
}

/// The same as map2(), but integers stay int64, and bool becomes int64.
template <class F>
Tensor map2_numeric(std::string_view op, const Tensor& x, const Tensor& y, F f) {
  const DType dtype = promote(promote(x.dtype(), y.dtype()), kInt64);
  if (dtype != kInt64) return map2(op, x, y, f);
  const As a(x, dtype), b(y, dtype);
  return elementwise(op, {&a, &b}, dtype, [f](void* out, const void* const* in, std::int64_t n) {
    using T = std::int64_t;
    simd::loop(
        n, [f](const T& v, const T& w, T& o) { o = f(v, w); }, static_cast<const T*>(in[0]),
        static_cast<const T*>(in[1]), static_cast<T*>(out));
  });
}

/// out[i] = f(x[i], y[i]) as bool. f compares in the promoted type.
template <class F>
Tensor compare(std::string_view op, const Tensor& x, const Tensor& y, F f) {
  const DType dtype = promote(promote(x.dtype(), y.dtype()), kInt64);
  const As a(x, dtype), b(y, dtype);
  return dispatch_numeric(dtype, [&]<class T>(T) {
    return elementwise(op, {&a, &b}, kBool, [f](void* out, const void* const* in, std::int64_t n) {
      simd::loop(
          n, [f](const T& v, const T& w, bool& o) { o = f(v, w); }, static_cast<const T*>(in[0]),
          static_cast<const T*>(in[1]), static_cast<bool*>(out));
    });
  });
}

/// Writes o = within(v) for n elements. Returns false if an element lies outside [−most, most] or
/// is NaN; what was written for that element is then wrong.
template <class T, class F>
bool span_within(std::int64_t n, T most, F within, const T* v, T* o) {
  // As integers: their order is that of |v|, and NaN is above all.
  using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  constexpr Bits kMagnitude = std::numeric_limits<Bits>::max();
  Bits largest = 0;
  simd::call([ =, &largest ]() __attribute__((always_inline)) {
    const T* __restrict from = v;
    T* __restrict to = o;
    Bits high = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const Bits magnitude = std::bit_cast<Bits>(from[i]) & kMagnitude;
      high = magnitude > high ? magnitude : high;
      to[i] = within(from[i]);
    }
    largest = high;
  });
  return largest <= std::bit_cast<Bits>(most);
}

/// Gives the result of map(f) for elements of type T, but faster. within() costs less than f, and
/// gives the same bits as f for every number in [−most, most]. Each block is computed with
/// within(), and again with f if an element lies outside.
template <class T, class Within, class F>
Tensor map_blocks(std::string_view op, const Tensor& x, T most, Within within, F f) {
  const As a(x, dtype_of<T>);
  return elementwise(op, {&a}, dtype_of<T>,
                     [most, within, f](void* out, const void* const* in, std::int64_t n) {
                       constexpr std::int64_t kBlock = 1024;
                       for (std::int64_t i = 0; i < n; i += kBlock) {
                         const T* v = static_cast<const T*>(in[0]) + i;
                         T* o = static_cast<T*>(out) + i;
                         const std::int64_t length = n - i < kBlock ? n - i : kBlock;
                         if (!span_within(length, most, within, v, o))
                           simd::loop(
                               length, [f](const T& from, T& to) { to = f(from); }, v, o);
                       }
                     });
}
/// map_blocks() for floats; doubles are computed with f.
template <class Within, class F>
Tensor map_within(std::string_view op, const Tensor& x, float most, Within within, F f) {
  if (promote_to_floating(x.dtype()) != kFloat32) return map(op, x, f);
  return map_blocks(op, x, most, within, f);
}
/// map_blocks() for floats and doubles.
template <class Within, class F>
Tensor map_within_any(std::string_view op, const Tensor& x, double most, Within within, F f) {
  return dispatch_floating(promote_to_floating(x.dtype()), [&]<class T>(T) {
    return map_blocks(op, x, static_cast<T>(most), within, f);
  });
}

/// Gives the result of map2(f), but faster if all pairs of a block are ordinary. within(v, w,
/// ordinary) costs less than f, and gives the same bits as f unless it makes `ordinary` false. Each
/// block is computed with within(). If a pair is not ordinary, the block is computed again with f.
template <class Within, class F>
Tensor map2_within(std::string_view op, const Tensor& x, const Tensor& y, Within within, F f) {
  const DType dtype = promote_to_floating(promote(x.dtype(), y.dtype()));
  const As a(x, dtype), b(y, dtype);
  return dispatch_floating(dtype, [&]<class T>(T) {
    return elementwise(op, {&a, &b}, dtype, [=](void* out, const void* const* in, std::int64_t n) {
      constexpr std::int64_t kBlock = 1024;
      for (std::int64_t i = 0; i < n; i += kBlock) {
        const T *v = static_cast<const T*>(in[0]) + i, *w = static_cast<const T*>(in[1]) + i;
        T* o = static_cast<T*>(out) + i;
        const std::int64_t length = n - i < kBlock ? n - i : kBlock;
        bool all = true;
        simd::call([ =, &all ]() __attribute__((always_inline)) {
          T* __restrict to = o;
          T odd = 0;  // as wide as the elements, which keeps the loop vectorised
          for (std::int64_t k = 0; k < length; ++k) {
            bool ordinary;
            to[k] = within(v[k], w[k], ordinary);
            odd = ordinary ? odd : T(1);
          }
          all = odd == 0;
        });
        if (!all)
          simd::loop(
              length, [f](const T& c, const T& d, T& to) { to = f(c, d); }, v, w, o);
      }
    });
  });
}

}  // namespace descent::kernel
