#include <descent/core/kernels/copy.h>
#include <descent/core/launch.h>
#include <descent/core/tensor.h>

#include <charconv>
#include <ostream>

namespace descent {
namespace {

constexpr std::int64_t kEdge = 3;            // values shown at either end of a long dimension
constexpr std::int64_t kShortenFrom = 1000;  // elements from which dimensions are shortened

/// A number with at most so many digits, as printf's %g writes it in every locale.
std::string shortened(double x, int digits) {
  char buffer[40];
  return {buffer,
          std::to_chars(buffer, buffer + sizeof buffer, x, std::chars_format::general, digits).ptr};
}

std::string value_at(const Tensor& flat, std::int64_t i) {
  switch (flat.dtype()) {
    case kBool:
      return flat.data_ptr<bool>()[i] ? "true" : "false";
    case kInt64:
      return std::to_string(flat.data_ptr<std::int64_t>()[i]);
    case kFloat32:
      return shortened(flat.data_ptr<float>()[i], 4);
    default:
      return shortened(flat.data_ptr<double>()[i], 6);
  }
}

// One bracketed dimension; at most kMaxRank deep.
void print(std::string& s, const Tensor& flat, int d, std::int64_t offset, bool shorten) {
  const Shape& shape = flat.shape();
  if (d == shape.rank()) {
    s += value_at(flat, offset);
    return;
  }
  const bool innermost = d == shape.rank() - 1;
  s += '[';
  for (std::int64_t i = 0; i < shape[d]; ++i) {
    if (i > 0) {
      s += ',';
      s += innermost ? " " : "\n" + std::string(static_cast<std::size_t>(d) + 1, ' ');
    }
    if (shorten && i == kEdge && shape[d] > 2 * kEdge + 1) {
      s += innermost ? "…, " : "…,\n" + std::string(static_cast<std::size_t>(d) + 1, ' ');
      i = shape[d] - kEdge;
    }
    print(s, flat, d + 1, offset + i * flat.strides()[d], shorten);
  }
  s += ']';
}

}  // namespace

std::string Tensor::to_string() const {
  detail::check_may_read("to_string");
  if (!defined()) return "Tensor(undefined)";
  std::string s;
  const Tensor flat = kernel::contiguous(*this);
  if (numel() == 0)
    s = "[]";
  else
    print(s, flat, 0, 0, numel() > kShortenFrom);
  s += to_text(dim() > 1 && numel() > 0 ? "\n" : " ", "Tensor", shape(), " ", dtype());
  if (requires_grad()) s += " requires_grad";
  return s;
}

std::ostream& operator<<(std::ostream& out, DType t) { return out << to_string(t); }
std::ostream& operator<<(std::ostream& out, const Tensor& t) { return out << t.to_string(); }

}  // namespace descent
