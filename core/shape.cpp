#include <descent/core/error.h>
#include <descent/core/shape.h>

#include <ostream>

namespace descent {

void Shape::throw_too_many() {
  fail<ShapeError>("shape", "got more than ", kMaxRank, " dimensions, expected at most ", kMaxRank,
                   ". Hint: flatten() some of them");
}

void Shape::insert(int d, std::int64_t extent) {
  if (rank_ == kMaxRank) throw_too_many();
  for (int i = rank_++; i > d; --i) extent_[i] = extent_[i - 1];
  extent_[d] = extent;
}

void Shape::erase(int d) noexcept {
  for (--rank_; d < rank_; ++d) extent_[d] = extent_[d + 1];
}

Shape Shape::contiguous_strides() const noexcept {
  Shape strides = *this;
  std::uint64_t stride = 1;
  for (int d = rank_ - 1; d >= 0; --d) {
    strides[d] = static_cast<std::int64_t>(stride);
    stride *= extent_[d] > 1 ? static_cast<std::uint64_t>(extent_[d]) : 1;
  }
  return strides;
}

std::string to_string(const Shape& shape) {
  std::string s = "(";
  for (int d = 0; d < shape.rank(); ++d) {
    if (d > 0) s += ", ";
    s += std::to_string(shape[d]);
  }
  return s += shape.rank() == 1 ? ",)" : ")";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << to_string(shape); }

Shape broadcast_shapes(std::string_view op, const Shape& a, const Shape& b) {
  if (a == b) return a;
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  const int shift = longer.rank() - shorter.rank();
  Shape out = longer;
  for (int d = 0; d < shorter.rank(); ++d) {
    const std::int64_t x = longer[d + shift], y = shorter[d];
    if (x != y && x != 1 && y != 1)
      fail<ShapeError>(op, "got ", a, " and ", b, ", expected shapes that broadcast (", x,
                       " != ", y,
                       "). Hint: extents are compared from the last one back; each pair must be "
                       "equal or hold a 1");
    out[d + shift] = x == 1 ? y : x;
  }
  return out;
}

int normalize_dim(std::string_view op, std::int64_t dim, int rank) {
  const int range = rank > 0 ? rank : 1;  // a scalar accepts 0 and -1
  if (dim < -range || dim >= range)
    fail<ValueError>(op, "got dimension ", dim, ", expected one in [", -range, ", ", range - 1,
                     "] for a tensor of rank ", rank,
                     ". Hint: negative dimensions count from the last");
  return static_cast<int>(dim < 0 ? dim + range : dim);
}

}  // namespace descent
