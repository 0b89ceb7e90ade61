// Shape: up to eight extents stored inline; also used for strides.
//
// Rank 0 is a scalar, an extent of 0 an empty tensor. Printed as (2, 3).
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <vector>

namespace descent {

class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() noexcept = default;
  /// Throws ShapeError for more than kMaxRank extents.
  Shape(std::initializer_list<std::int64_t> extents) : Shape(extents.begin(), extents.end()) {}
  Shape(const std::int64_t* first, const std::int64_t* last) {
    for (; first != last; ++first) push_back(*first);
  }
  /// One extent or dimension, so that `zeros(3)` and `x.sum(0)` read as they do elsewhere.
  template <std::integral Integer>
  Shape(Integer extent) : Shape{static_cast<std::int64_t>(extent)} {}
  Shape(const std::vector<std::int64_t>& extents)
      : Shape(extents.data(), extents.data() + extents.size()) {}

  static Shape filled(int rank, std::int64_t value) {
    Shape s;
    for (int d = 0; d < rank; ++d) s.push_back(value);
    return s;
  }

  int rank() const noexcept { return rank_; }
  bool empty() const noexcept { return rank_ == 0; }
  std::int64_t& operator[](int d) noexcept { return extent_[d]; }
  std::int64_t operator[](int d) const noexcept { return extent_[d]; }
  const std::int64_t* begin() const noexcept { return extent_; }
  const std::int64_t* end() const noexcept { return extent_ + rank_; }

  void push_back(std::int64_t extent) {
    if (rank_ == kMaxRank) [[unlikely]]
      throw_too_many();
    extent_[rank_++] = extent;
  }
  void insert(int d, std::int64_t extent);
  void erase(int d) noexcept;

  /// Product of the extents: 1 for a scalar.
  std::int64_t numel() const noexcept {
    std::uint64_t n = 1;  // wraps where it overflows: no tensor is made of such a shape
    for (int d = 0; d < rank_; ++d) n *= static_cast<std::uint64_t>(extent_[d]);
    return static_cast<std::int64_t>(n);
  }
  /// Row-major strides, in elements.
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
std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// The common shape of a and b by NumPy's rule; throws ShapeError naming `op`.
Shape broadcast_shapes(std::string_view op, const Shape& a, const Shape& b);
/// dim in [-rank, rank) as a non-negative number; throws ValueError naming `op`.
int normalize_dim(std::string_view op, std::int64_t dim, int rank);

}  // namespace descent
