// The four element types, and the type in which an operator works.
//
// The types rise: bool < int64 < float32 < float64.
// - Two tensors meet in the larger type.
// - A tensor and a C++ number meet in the tensor's type, so `x * 0.1` keeps float32. Only one case
//   differs: an integer tensor and a floating number meet in float32.
// - Division, mean and all functions of real numbers turn integers into float32 first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string_view>
#include <type_traits>

namespace descent {

/// The type of a tensor's elements, rising.
enum class DType : std::uint8_t { boolean, int64, float32, float64 };

/// @name Short names, and those of libtorch
/// @{
inline constexpr DType kBool = DType::boolean, kInt64 = DType::int64, kFloat32 = DType::float32,
                       kFloat64 = DType::float64;
inline constexpr DType kFloat = kFloat32, kDouble = kFloat64, kLong = kInt64;
/// @}

/// Bytes of one element.
constexpr std::size_t size_of(DType t) { return t == kBool ? 1 : t == kFloat32 ? 4 : 8; }
/// True for float32 and float64.
constexpr bool is_floating(DType t) { return t >= DType::float32; }
/// The type in which two tensors meet: the larger one.
constexpr DType promote(DType a, DType b) { return a < b ? b : a; }
/// The type in which a function of real numbers is computed: integers become float32.
constexpr DType promote_to_floating(DType t) { return is_floating(t) ? t : DType::float32; }

/// "bool", "int64", "float32" or "float64".
constexpr std::string_view to_string(DType t) {
  constexpr std::string_view names[] = {"bool", "int64", "float32", "float64"};
  return names[static_cast<int>(t)];
}

/// Writes to_string(t).
std::ostream& operator<<(std::ostream& out, DType t);

/// The DType of a C++ type; see dtype_of.
template <class T>
struct DTypeOf;
/// @name The four types
/// @{
template <>
struct DTypeOf<bool> : std::integral_constant<DType, DType::boolean> {};
template <>
struct DTypeOf<std::int64_t> : std::integral_constant<DType, DType::int64> {};
template <>
struct DTypeOf<float> : std::integral_constant<DType, DType::float32> {};
template <>
struct DTypeOf<double> : std::integral_constant<DType, DType::float64> {};
/// @}

/// `dtype_of<float>` is float32, and so on; any other type does not compile.
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

}  // namespace descent
