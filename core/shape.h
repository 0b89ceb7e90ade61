// Shape: up to eight numbers stored inline, for extents, strides and lists of dimensions.
//
// A scalar has a shape of rank 0. An empty tensor has a shape with an extent of 0.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <vector>

namespace descent {

/// The extents of a tensor; see the top of this file. Throws ShapeError for more than kMaxRank
/// extents.
class Shape {
 public:
  static constexpr int kMaxRank = 8;  ///< the most extents

  /// (), the shape of a scalar.
  Shape() noexcept = default;
  /// `Shape{2, 3}`.
  Shape(std::initializer_list<std::int64_t> extents) : Shape(extents.begin(), extents.end()) {}
  /// The extents [first, last).
  Shape(const std::int64_t* first, const std::int64_t* last) {
    for (; first != last; ++first) push_back(*first);
  }
  /// One extent or dimension: `zeros(3)`, `x.sum(0)`.
  template <std::integral Integer>
  Shape(Integer extent) : Shape{static_cast<std::int64_t>(extent)} {}
  /// The extents of a vector.
  Shape(const std::vector<std::int64_t>& extents)
      : Shape(extents.data(), extents.data() + extents.size()) {}

  /// `rank` times `value`. rank <= kMaxRank.
  static Shape filled(int rank, std::int64_t value) {
    Shape s;
    for (int d = 0; d < rank; ++d) s.push_back(value);
    return s;
  }

  /// Number of extents.
  int rank() const noexcept { return rank_; }
  /// True for rank 0.
  bool empty() const noexcept { return rank_ == 0; }
  /// @name Extents
  /// Access to extent d, with 0 <= d < rank(), which is not checked. begin() points to the first
  /// extent, end() behind the last extent.
  /// @{
  std::int64_t& operator[](int d) noexcept { return extent_[d]; }
  std::int64_t operator[](int d) const noexcept { return extent_[d]; }
  const std::int64_t* begin() const noexcept { return extent_; }
  const std::int64_t* end() const noexcept { return extent_ + rank_; }
  /// @}

  /// Adds an extent at the end.
  void push_back(std::int64_t extent) {
    if (rank_ == kMaxRank) [[unlikely]]
      throw_too_many();
    extent_[rank_++] = extent;
  }
  /// Inserts an extent before extent d, 0 <= d <= rank().
  void insert(int d, std::int64_t extent);
  /// Removes extent d, 0 <= d < rank().
  void erase(int d) noexcept;

  /// Product of the extents: 1 for a scalar.
  std::int64_t numel() const noexcept {
    std::uint64_t n = 1;  // may overflow and wrap: no tensor has such a shape
    for (int d = 0; d < rank_; ++d) n *= static_cast<std::uint64_t>(extent_[d]);
    return static_cast<std::int64_t>(n);
  }
  /// The strides of a row-major tensor of this shape, in elements.
  Shape contiguous_strides() const noexcept;

  friend bool operator==(const Shape& a, const Shape& b) noexcept {
    if (a.rank_ != b.rank_) return false;
    for (int d = 0; d < a.rank_; ++d)
      if (a.extent_[d] != b.extent_[d]) return false;
    return true;
  }

 private:
  [[noreturn]] static void throw_too_many();

  std::int64_t extent_[kMaxRank] = {};
  int rank_ = 0;
};

/// "(2, 3)"; "()" for a scalar, "(5,)" for one extent.
std::string to_string(const Shape& shape);
/// Writes to_string(shape).
std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// The shape to which a and b broadcast, by NumPy's rule. Extents are compared from the last to the
/// first, and an extent of 1 is repeated. If two extents differ and neither is 1, throws
/// ShapeError, which names `op`.
Shape broadcast_shapes(std::string_view op, const Shape& a, const Shape& b);
/// Returns dim as a number in [0, rank). A negative dim counts from the last dimension. A scalar
/// accepts 0 and -1. If dim is out of range, throws ValueError, which names `op`.
int normalize_dim(std::string_view op, std::int64_t dim, int rank);

}  // namespace descent
