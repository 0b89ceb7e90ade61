#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/launch.h>
#include <descent/core/random.h>

#include <cmath>
#include <cstring>
#include <type_traits>

namespace descent {

using detail::constant;

Tensor empty(const Shape& shape, DType dtype) {
  return kernel::empty_strided(shape, shape.contiguous_strides(), dtype);
}

Tensor full(const Shape& shape, Scalar value, DType dtype) {
  Tensor t = empty(shape, dtype);
  kernel::fill(t, value);
  return t;
}

Tensor zeros(const Shape& shape, DType dtype) { return full(shape, 0, dtype); }
Tensor ones(const Shape& shape, DType dtype) { return full(shape, 1, dtype); }

Tensor empty_like(const Tensor& t) {
  return kernel::empty_strided(
      t.shape(), kernel::is_dense(t) ? t.strides() : t.shape().contiguous_strides(), t.dtype());
}
Tensor full_like(const Tensor& t, Scalar value) {
  Tensor out = empty_like(t);
  kernel::fill(out, value);
  return out;
}
Tensor zeros_like(const Tensor& t) { return full_like(t, 0); }
Tensor ones_like(const Tensor& t) { return full_like(t, 1); }

Tensor eye(std::int64_t rows, std::int64_t columns, DType dtype) {
  if (columns == -1) columns = rows;
  Tensor t = zeros({rows, columns}, dtype);
  kernel::fill(kernel::view_of(t, {std::min(rows, columns)}, {columns + 1}, 0), 1);
  return t;
}

Tensor arange(Scalar end) { return arange(0, end, 1); }

Tensor arange(Scalar begin, Scalar end, Scalar step) {
  const bool integral = begin.is_integral() && end.is_integral() && step.is_integral();
  return arange(begin, end, step, integral ? kInt64 : kFloat32);
}

Tensor arange(Scalar begin, Scalar end, Scalar step, DType dtype) {
  const detail::PlainFloating plain;
  const double a = begin.to_double(), b = end.to_double(), s = step.to_double();
  const double steps = std::ceil((b - a) / s);
  if (s == 0 || !std::isfinite(a) || !std::isfinite(b) || !std::isfinite(s) || steps < 0)
    fail<ValueError>("arange", "got begin ", a, ", end ", b, ", step ", s,
                     ", expected finite numbers and a step that leads from begin to end");
  if (steps > 0x1p48)
    fail<ValueError>("arange", "got begin ", a, ", end ", b, ", step ", s, ", which are ", steps,
                     " numbers, expected at most 2^48. Hint: take a larger step");
  auto n = static_cast<std::int64_t>(steps);
  const bool integral = begin.is_integral() && end.is_integral() && step.is_integral();
  if (integral) {  // exact beyond 2^53
    const auto gap =
        static_cast<std::uint64_t>(end.to_int()) - static_cast<std::uint64_t>(begin.to_int());
    const auto stride = static_cast<std::uint64_t>(step.to_int());
    const std::uint64_t up = s > 0 ? gap : 0 - gap, by = s > 0 ? stride : 0 - stride;
    n = static_cast<std::int64_t>(up / by + (up % by != 0));
  }
  return constant([&] {
    Tensor out = empty({n}, dtype == kInt64 ? kInt64 : kFloat64);
    if (dtype == kInt64) {
      auto* p = out.data_ptr<std::int64_t>();
      for (std::int64_t i = 0; i < n; ++i)
        p[i] = integral ? begin.to_int() + i * step.to_int()
                        : detail::truncated(a + static_cast<double>(i) * s);
    } else {
      auto* p = out.data_ptr<double>();
      for (std::int64_t i = 0; i < n; ++i) p[i] = a + static_cast<double>(i) * s;
    }
    return kernel::cast(out, dtype);
  });
}

Tensor linspace(double begin, double end, std::int64_t steps, DType dtype) {
  const detail::PlainFloating plain;
  if (steps < 0) fail<ValueError>("linspace", "got ", steps, " steps, expected 0 or more");
  return constant([&] {
    Tensor out = empty({steps}, kFloat64);
    auto* p = out.data_ptr<double>();
    for (std::int64_t i = 0; i < steps; ++i) {
      const double t = steps > 1 ? static_cast<double>(i) / static_cast<double>(steps - 1) : 0;
      p[i] = t == 1 ? end : begin + (end - begin) * t;
    }
    return kernel::cast(out, dtype);
  });
}

void NestedList::fail_too_large() {
  fail<ValueError>("tensor",
                   "got an integer above 9223372036854775807, expected one that int64 "
                   "can hold. Hint: write a floating number");
}

NestedList::NestedList(std::initializer_list<NestedList> items) : items_(items) {}

Tensor tensor(std::initializer_list<NestedList> list) { return tensor(NestedList(list)); }
Tensor tensor(std::initializer_list<NestedList> list, DType dtype) {
  return tensor(NestedList(list), dtype);
}

Tensor tensor(const NestedList& list) {
  // The widest type of all numbers decides. A list without numbers is float32.
  std::vector<const NestedList*> pending{&list};
  bool any = false;
  DType dtype = kBool;
  while (!pending.empty()) {
    const NestedList* item = pending.back();
    pending.pop_back();
    if (!item->is_list_) {
      dtype = promote(dtype, item->scalar_.dtype());
      any = true;
    }
    for (const NestedList& child : item->items_) pending.push_back(&child);
  }
  return tensor(list, !any || dtype == kFloat64 ? kFloat32 : dtype);
}

Tensor tensor(const NestedList& list, DType dtype) {
  const detail::PlainFloating plain;
  Shape shape;
  for (const NestedList* l = &list; l->is_list_; l = &l->items_.front()) {
    shape.push_back(static_cast<std::int64_t>(l->items_.size()));
    if (l->items_.empty()) break;
  }
  // Level by level: every list of level d must hold shape[d] items.
  std::vector<const NestedList*> level{&list};
  for (int d = 0; d < shape.rank(); ++d) {
    std::vector<const NestedList*> next;
    for (const NestedList* l : level) {
      if (!l->is_list_ || static_cast<std::int64_t>(l->items_.size()) != shape[d])
        fail<ShapeError>("tensor", "got a ragged list, expected ", shape[d],
                         " items in every list at depth ", d);
      for (const NestedList& child : l->items_) next.push_back(&child);
    }
    level = std::move(next);
  }
  return constant([&] {
    Tensor out = empty(shape, kFloat64), integers = empty(shape, kInt64);
    for (std::size_t i = 0; i < level.size(); ++i) {
      if (level[i]->is_list_)
        fail<ShapeError>("tensor", "got a ragged list, expected a number at depth ", shape.rank());
      out.data_ptr<double>()[i] = level[i]->scalar_.to_double();
      if (dtype == kInt64) integers.data_ptr<std::int64_t>()[i] = level[i]->scalar_.to_int();
    }
    return kernel::cast(dtype == kInt64 ? integers : out, dtype);
  });
}

namespace {
void check_count(std::size_t n, const Shape& shape) {
  if (shape.numel() != static_cast<std::int64_t>(n))
    fail<ShapeError>("tensor", "got ", n, " values for shape ", shape, ", expected ",
                     shape.numel());
}
}  // namespace

Tensor detail::tensor_of(const void* data, std::size_t n, const Shape& shape, DType dtype) {
  check_count(n, shape);
  return constant([&] {
    Tensor out = empty(shape, dtype);
    if (n > 0) std::memcpy(out.raw(), data, n * size_of(dtype));
    return out;
  });
}

Tensor detail::tensor_of(const std::vector<bool>& values, const Shape& shape) {
  check_count(values.size(), shape);
  return constant([&] {
    Tensor out = empty(shape, kBool);
    std::copy(values.begin(), values.end(), kernel::data<bool>(out));
    return out;
  });
}

void detail::fail_too_large(std::size_t at) {
  fail<ValueError>("tensor", "got an integer above 9223372036854775807 at position ", at,
                   ", expected one that int64 can hold");
}

Tensor detail::blob_of(void* data, const Shape& shape, DType dtype,
                       std::function<void(void*)> deleter) {
  kernel::check_size("from_blob", shape);
  if (data == nullptr && shape.numel() > 0)
    fail<ValueError>("from_blob", "got a null pointer for shape ", shape,
                     ", expected the address of ", shape.numel(), " elements");
  auto* body = detail::Body::make();
  Tensor t{detail::RefPtr<detail::Body>(body)};
  body->storage = detail::Storage::borrow(
      data, size_of(dtype) * static_cast<std::size_t>(shape.numel()), std::move(deleter));
  body->shape = shape;
  body->strides = shape.contiguous_strides();
  body->dtype = dtype;
  body->update_layout();
  return t;
}

Tensor from_blob(std::nullptr_t, const Shape& shape, std::function<void(void*)> deleter) {
  return detail::blob_of(nullptr, shape, kFloat32, std::move(deleter));
}

}  // namespace descent
