#include <descent/core/kernels/elementwise.h>
#include <descent/core/launch.h>
#include <descent/core/parallel.h>

#include <algorithm>
#include <cstring>
#include <span>

namespace descent::kernel {
namespace {

constexpr int kMaxInputs = 3;
constexpr std::int64_t kTile = 1024;  // elements gathered at a time: three tiles stay in L1

// One operand during the walk: the address that it has reached, and its steps.
struct Operand {
  char* data;
  Shape strides;  // in bytes, one per walked dimension
  std::size_t size;
  std::int64_t inner;  // innermost stride, in bytes
};

// Merges dimensions, so that the walk has fewer. Two neighbouring dimensions become one if every
// operand can step through both with one stride.
Shape merge_dimensions(Shape shape, Operand* operands, int count) {
  for (int d = shape.rank() - 2; d >= 0; --d) {
    bool merges = true;
    for (int k = 0; k < count; ++k) {
      const Shape& s = operands[k].strides;
      merges &= shape[d] == 1 || shape[d + 1] == 1 || s[d] == s[d + 1] * shape[d + 1];
    }
    if (!merges) continue;
    for (int k = 0; k < count; ++k) {
      Shape& s = operands[k].strides;
      s[d] = shape[d + 1] == 1 ? s[d] : s[d + 1];
      s.erase(d + 1);
    }
    shape[d] *= shape[d + 1];
    shape.erase(d + 1);
  }
  return shape;
}

template <class U>
void gather(const char* from, std::int64_t stride, std::int64_t n, void* to) {
  for (std::int64_t i = 0; i < n; ++i)
    std::memcpy(static_cast<U*>(to) + i, from + i * stride, sizeof(U));
}

void gather(const Operand& o, const char* from, std::int64_t n, void* to) {
  if (o.size == 8)
    gather<std::uint64_t>(from, o.inner, n, to);
  else if (o.size == 4)
    gather<std::uint32_t>(from, o.inner, n, to);
  else
    gather<std::uint8_t>(from, o.inner, n, to);
}

// Computes a row or a piece of a row: n elements, starting at the given first element of each
// operand.
struct RowWorker {
  RowWorker(const Operand* operands, int n,
            const SpanFunction& formula)  // leaves the buffers unset
      : inputs(operands), count(n), f(formula) {}

  const Operand* inputs;
  int count;
  const SpanFunction& f;
  alignas(64) char buffer[kMaxInputs][kTile * 8];
  const char* repeated[kMaxInputs] = {};  // the address of the value that fills the buffer now
  std::int64_t filled[kMaxInputs] = {};

  void run(char* out, std::size_t out_size, const char* const* first, std::int64_t n) {
    const void* in[kMaxInputs] = {};
    bool whole = true;
    for (int k = 0; k < count; ++k) {
      in[k] = first[k];
      whole &= inputs[k].inner == static_cast<std::int64_t>(inputs[k].size) || n == 1;
    }
    if (whole) return f(out, in, n);
    for (std::int64_t i = 0; i < n; i += kTile) {
      const std::int64_t length = n - i < kTile ? n - i : kTile;
      for (int k = 0; k < count; ++k) {
        const Operand& o = inputs[k];
        const char* from = first[k] + i * o.inner;
        if (o.inner == static_cast<std::int64_t>(o.size)) {
          in[k] = from;
          continue;
        }
        in[k] = buffer[k];
        if (o.inner == 0) {
          if (repeated[k] == from && filled[k] >= length) continue;
          repeated[k] = from;
          filled[k] = length;
        }
        gather(o, from, length, buffer[k]);
      }
      f(out + i * static_cast<std::int64_t>(out_size), in, length);
    }
  }
};

bool same_shapes(const Tensor* const* inputs, int count) {
  for (int k = 1; k < count; ++k)
    if (!(inputs[k]->shape() == inputs[0]->shape())) return false;
  return true;
}

bool all_contiguous(const Tensor* const* inputs, int count) {
  bool contiguous = true;
  for (int k = 0; k < count; ++k) contiguous &= inputs[k]->is_contiguous();
  return contiguous;
}

bool same_dense_strides(const Tensor* const* inputs, int count) {
  for (int k = 1; k < count; ++k)
    if (!(inputs[k]->strides() == inputs[0]->strides())) return false;
  return is_dense(*inputs[0]);
}

}  // namespace

namespace {

/// The work if all operands are contiguous, or are dense with the same strides. Each operand is
/// then one span of memory.
struct FlatWork {
  SpanFunction f;
  std::int64_t n;
  char* out;
  std::int64_t out_size;
  const char* in[kMaxInputs] = {};
  std::int64_t in_size[kMaxInputs] = {};  // 0 for an input that is not there

  void operator()() const {
    parallel_for(n, kElementwiseGrain, [this](std::int64_t begin, std::int64_t end) {
      const void* at[kMaxInputs];
      for (int k = 0; k < kMaxInputs; ++k) at[k] = in[k] + begin * in_size[k];
      f(out + begin * out_size, at, end - begin);
    });
  }
};

/// The work for operands with any strides. It computes rows along the innermost dimension.
struct StridedWork {
  SpanFunction f;
  Shape walk;
  int count;
  Operand operands[kMaxInputs + 1];  // the inputs, then the output

  void operator()() const {
    const int last = walk.rank() - 1;
    const std::int64_t row = walk[last], rows = walk.numel() / row;
    const std::int64_t pieces = (row + kElementwiseGrain - 1) / kElementwiseGrain;
    const std::int64_t grain = row < kElementwiseGrain ? kElementwiseGrain / row : 1;
    parallel_for(rows * pieces, grain, [&](std::int64_t begin, std::int64_t end) {
      RowWorker worker(operands, count, f);
      for (std::int64_t unit = begin; unit < end; ++unit) {
        std::int64_t index = unit / pieces;
        const std::int64_t start = unit % pieces * kElementwiseGrain;
        const std::int64_t length = std::min(row - start, kElementwiseGrain);
        const char* first[kMaxInputs + 1];
        for (int k = 0; k <= count; ++k) first[k] = operands[k].data + start * operands[k].inner;
        for (int d = last - 1; d >= 0; --d) {
          const std::int64_t i = index % walk[d];
          index /= walk[d];
          for (int k = 0; k <= count; ++k) first[k] += i * operands[k].strides[d];
        }
        worker.run(const_cast<char*>(first[count]), operands[count].size, first, length);
      }
    });
  }
};

}  // namespace

namespace {

Tensor elementwise_flat(std::string_view op, std::initializer_list<const Tensor*> list,
                        DType out_dtype, const SpanFunction& f) {
  const Tensor* const* inputs = list.begin();
  const int count = static_cast<int>(list.size());
  Tensor out = empty_as(*inputs[0], out_dtype);
  FlatWork work;
  work.f = f;
  work.n = out.numel();
  work.out = static_cast<char*>(out.raw());
  work.out_size = static_cast<std::int64_t>(size_of(out_dtype));
  for (int k = 0; k < count; ++k) {
    work.in[k] = static_cast<const char*>(inputs[k]->raw());
    work.in_size[k] = static_cast<std::int64_t>(size_of(inputs[k]->dtype()));
  }
  detail::launch(op, {&out}, list, work);
  return out;
}

Tensor elementwise_strided(std::string_view op, std::initializer_list<const Tensor*> list,
                           DType out_dtype, const SpanFunction& f) {
  const Tensor* const* inputs = list.begin();
  const int count = static_cast<int>(list.size());
  Shape shape = inputs[0]->shape();
  for (int k = 1; k < count; ++k) shape = broadcast_shapes(op, shape, inputs[k]->shape());
  Tensor out = empty(shape, out_dtype);
  if (out.numel() == 0) return out;

  StridedWork work{f, {}, count, {}};
  Operand* operands = work.operands;
  for (int k = 0; k <= count; ++k) {
    const Tensor& t = k < count ? *inputs[k] : out;
    Operand& o = operands[k];
    o.data = static_cast<char*>(t.raw());
    o.size = size_of(t.dtype());
    o.strides = Shape::filled(shape.rank(), 0);  // 0 where t is repeated
    const int shift = shape.rank() - t.shape().rank();
    for (int d = shift; d < shape.rank(); ++d)
      if (t.shape()[d - shift] != 1 || shape[d] == 1)
        o.strides[d] = t.strides()[d - shift] * static_cast<std::int64_t>(o.size);
  }
  work.walk = merge_dimensions(shape, operands, count + 1);
  for (Operand& o : std::span(operands, static_cast<std::size_t>(count) + 1))
    o.inner = o.strides[work.walk.rank() - 1];
  detail::launch(op, {&out}, list, work);
  return out;
}

[[gnu::noinline]] Tensor elementwise_any(std::string_view op,
                                         std::initializer_list<const Tensor*> list, DType out_dtype,
                                         const SpanFunction& f, Layout layout) {
  const Tensor* const* inputs = list.begin();
  const int count = static_cast<int>(list.size());
  const bool flat = same_shapes(inputs, count) &&
                    (all_contiguous(inputs, count) ||
                     (layout == Layout::as_inputs && same_dense_strides(inputs, count)));
  return flat ? elementwise_flat(op, list, out_dtype, f)
              : elementwise_strided(op, list, out_dtype, f);
}

}  // namespace

void As::convert(const Tensor& x, DType dtype) {
  made_ = cast(x, dtype);
  tensor_ = &made_;
}

Tensor elementwise(std::string_view op, std::initializer_list<const Tensor*> list, DType out_dtype,
                   const SpanFunction& f, Layout layout) {
  const Tensor* const* inputs = list.begin();
  const int count = static_cast<int>(list.size());
  const detail::Body& first = inputs[0]->body();
  bool simple = first.contiguous && first.numel <= kElementwiseGrain && !detail::recording();
  const void* in[kMaxInputs] = {inputs[0]->raw()};
  for (int k = 1; k < count && simple; ++k) {
    const detail::Body& other = inputs[k]->body();
    simple = other.contiguous && other.shape == first.shape;
    in[k] = inputs[k]->raw();
  }
  if (!simple) return elementwise_any(op, list, out_dtype, f, layout);
  Tensor out = empty_as(*inputs[0], out_dtype);  // the common case, at once
  const detail::PlainFloating plain;
  if (first.numel > 0) f(out.raw(), in, first.numel);
  return out;
}

}  // namespace descent::kernel
