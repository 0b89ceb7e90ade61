// Einstein summation: each pair of operands becomes one batched matrix product.
#include <descent/autograd/ops.h>

#include <algorithm>
#include <array>

namespace descent {
namespace {

struct Term {
  Tensor tensor;
  std::string labels;  // one letter per dimension
};

[[noreturn]] void bad(std::string_view equation, const std::string& why) {
  fail<ValueError>("einsum", "got '", equation, "', ", why,
                   ". Hint: 'ij,jk->ik' is a matrix product");
}

bool holds(const std::string& s, char c) { return s.find(c) != std::string::npos; }

/// If a letter stands twice in t, takes the diagonal over its two dimensions: ii → i.
Term diagonal(Term t) {
  for (std::size_t i = 0; i < t.labels.size(); ++i) {
    std::size_t j;
    while ((j = t.labels.find(t.labels[i], i + 1)) != std::string::npos) {
      const auto a = static_cast<std::int64_t>(i), b = static_cast<std::int64_t>(j);
      const std::int64_t n = t.tensor.size(a);
      // Moves both dimensions to the end, flattens the two into one, and takes every (n + 1)-th
      // element.
      Dims order;
      for (std::int64_t d = 0; d < t.tensor.dim(); ++d)
        if (d != a && d != b) order.push_back(d);
      order.push_back(a), order.push_back(b);
      Tensor flat = t.tensor.permute(order).flatten(-2);
      t.tensor = flat.slice(-1, 0, kEnd, n + 1);
      const char c = t.labels[i];
      t.labels.erase(j, 1), t.labels.erase(i, 1);
      t.labels += c;
      i = 0;
    }
  }
  return t;
}

Tensor permute_to(const Term& t, const std::string& order) {
  Dims dims;
  for (const char c : order) dims.push_back(static_cast<std::int64_t>(t.labels.find(c)));
  return t.tensor.permute(dims);
}

/// Sums away the letters of t that are not in `kept`.
Term sum_away(Term t, const std::string& kept) {
  Dims dims;
  std::string rest;
  for (std::size_t i = 0; i < t.labels.size(); ++i) {
    if (holds(kept, t.labels[i]))
      rest += t.labels[i];
    else
      dims.push_back(static_cast<std::int64_t>(i));
  }
  if (dims.empty()) return t;
  return {sum(t.tensor, dims), rest};
}

/// The product of two terms, summed over the letters that `needed` does not name.
Term contract(Term a, Term b, const std::string& needed) {
  a = sum_away(a, needed + b.labels);
  b = sum_away(b, needed + a.labels);
  std::string batch, left, right, inner;
  for (const char c : a.labels)
    (!holds(b.labels, c) ? left : holds(needed, c) ? batch : inner) += c;
  for (const char c : b.labels)
    if (!holds(a.labels, c)) right += c;

  const auto extent = [](const Term& t, char c) {
    return t.tensor.size(static_cast<std::int64_t>(t.labels.find(c)));
  };
  const auto count = [&](const Term& t, const std::string& letters) {
    std::int64_t n = 1;
    for (const char c : letters) n *= extent(t, c);
    return n;
  };
  const std::int64_t m = count(a, left), k = count(a, inner), n = count(b, right);
  std::int64_t batches = count(a, batch);
  const Tensor x = permute_to(a, batch + left + inner).reshape({batches, m, k});
  const Tensor y = permute_to(b, batch + inner + right).reshape({batches, k, n});
  Shape shape;
  for (const char c : batch) shape.push_back(extent(a, c));
  for (const char c : left) shape.push_back(extent(a, c));
  for (const char c : right) shape.push_back(extent(b, c));
  return {matmul(x, y).reshape(shape), batch + left + right};
}

}  // namespace

Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands) {
  std::string text;
  for (const char c : equation)
    if (c != ' ') text += c;
  // "..." stands for leading dimensions without a letter. Here each such dimension gets a character
  // below the space: '\x01' for the last dimension, '\x02' for the dimension before, and so on.
  const std::size_t arrow = text.find("->");
  std::string left = text.substr(0, arrow),
              right = arrow == std::string::npos ? "" : text.substr(arrow + 2);
  std::vector<std::string> inputs(1);
  for (const char c : left) {
    if (c == ',')
      inputs.emplace_back();
    else
      inputs.back() += c;
  }
  if (inputs.size() != operands.size())
    bad(equation, to_text("naming ", inputs.size(), " operands, and ", operands.size(),
                          ", expected as many"));
  std::array<std::int64_t, 256> extents;
  extents.fill(-1);
  std::size_t ellipsis = 0;
  std::vector<Term> terms;
  const auto stand_in = [](std::size_t length) {  // aligned at the end, to broadcast
    std::string s;
    for (std::size_t i = length; i > 0; --i) s += static_cast<char>('\x01' + i - 1);
    return s;
  };
  for (std::size_t i = 0; i < operands.size(); ++i) {
    std::string labels = inputs[i];
    const auto rank = static_cast<std::size_t>(operands[i].dim());
    if (const std::size_t dots = labels.find("..."); dots != std::string::npos) {
      if (labels.size() - 3 > rank)
        bad(equation, to_text("and operand ", i, " of shape ", operands[i].shape()));
      const std::size_t length = rank - (labels.size() - 3);
      ellipsis = std::max(ellipsis, length);
      labels.replace(dots, 3, stand_in(length));
    }
    if (labels.size() != rank)
      bad(equation, to_text("and operand ", i, " of shape ", operands[i].shape(), ", expected ",
                            labels.size(), " dimensions"));
    for (std::size_t d = 0; d < rank; ++d) {
      const char c = labels[d];
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c < ' '))
        bad(equation, to_text("expected letters, found '", c, "'"));
      auto& extent = extents[static_cast<unsigned char>(c)];
      const std::int64_t n = operands[i].size(static_cast<std::int64_t>(d));
      if (extent >= 0 && extent != n && !(c < ' ' && (extent == 1 || n == 1)))
        bad(equation, to_text("where '", c < ' ' ? '.' : c, "' is both ", extent, " and ", n));
      extent = extent < 0 || extent == 1 ? n : extent;
    }
    terms.push_back({operands[i], labels});
  }
  if (arrow == std::string::npos) {  // letters that stand once, in alphabetical order
    right = stand_in(ellipsis);
    for (char c = 'A'; c <= 'z'; ++c)
      if (std::count(left.begin(), left.end(), c) == 1) right += c;
  } else if (const std::size_t dots = right.find("..."); dots != std::string::npos) {
    right.replace(dots, 3, stand_in(ellipsis));
  }
  for (std::size_t i = 0; i < right.size(); ++i)
    if (extents[static_cast<unsigned char>(right[i])] < 0 ||
        right.find(right[i], i + 1) != std::string::npos)
      bad(equation,
          to_text("expected each letter of the result once, and in an operand: '", right[i], "'"));

  for (Term& t : terms) {  // "..." broadcasts: an extent of 1 is repeated
    Shape shape = t.tensor.shape();
    for (std::size_t d = 0; d < t.labels.size(); ++d)
      if (t.labels[d] < ' ')
        shape[static_cast<int>(d)] = extents[static_cast<unsigned char>(t.labels[d])];
    if (!(shape == t.tensor.shape())) t.tensor = t.tensor.expand(shape);
    t = diagonal(std::move(t));
  }
  Term result = terms[0];
  for (std::size_t i = 1; i < terms.size(); ++i) {
    std::string needed = right;
    for (std::size_t j = i + 1; j < terms.size(); ++j) needed += terms[j].labels;
    result = contract(result, terms[i], needed);
  }
  return permute_to(sum_away(result, right), right);
}

}  // namespace descent
