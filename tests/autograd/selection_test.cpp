// Choosing, sorting and logic at the edges, and what linear algebra refuses.
#include <descent/descent.h>

#include "tests/support/errors.h"

#include <cmath>

namespace descent {
namespace {

using testing::has_text;
using testing::message_of;
using Doubles = std::vector<double>;

TEST(Sort, KeepsTheOrderOfEqualsAndPutsNanLast) {
  const Tensor x = tensor({2.0, NAN, 1.0, 2.0, -INFINITY, 1.0});
  EXPECT_EQ(argsort(x).to_vector(), (Doubles{4, 2, 5, 0, 3, 1}));
  EXPECT_EQ(argsort(x, 0, true).to_vector(), (Doubles{1, 0, 3, 2, 5, 4}));
  const auto [values, indices] = sort(tensor({{3, 1, 2}, {1, 3, 2}}), 0);
  EXPECT_EQ(values.to_vector(), (Doubles{1, 1, 2, 3, 3, 2}));
  EXPECT_EQ(values.dtype(), kInt64);
  EXPECT_EQ(sort(zeros({0, 3})).values.shape(), Shape({0, 3}));
  EXPECT_EQ(sort(tensor(5.0)).values.item(), 5);
  EXPECT_EQ(topk(x, 2).indices.to_vector(), (Doubles{1, 0}));
  EXPECT_EQ(topk(x, 0).values.numel(), 0);
  EXPECT_EQ(message_of<ValueError>([&] { topk(x, 7); }),
            "[topk] got k = 7 for 6 elements, expected 0 to 6");
}

TEST(Selection, ByMasksAndIndices) {
  const Tensor x = arange(12).reshape({3, 4});
  EXPECT_EQ(masked_select(x, x > 8).to_vector(), (Doubles{9, 10, 11}));
  EXPECT_EQ(masked_select(tensor({1, 2}), tensor({{true, false}, {false, true}})).to_vector(),
            (Doubles{1, 2}));
  EXPECT_EQ(index(x, x.select(1, 0) > 3).shape(), Shape({2, 4}));
  EXPECT_EQ(index(x, x > 20).numel(), 0);
  EXPECT_EQ(index(x, tensor({{0, 2}})).shape(), Shape({1, 2, 4}));
  EXPECT_EQ(nonzero(x.slice(0, 0, 1)).to_vector(), (Doubles{0, 1, 0, 2, 0, 3}));
  EXPECT_EQ(index_put(x, {tensor({0, 1}), tensor({0, 1})}, tensor(-1)).to_vector(),
            (Doubles{-1, 1, 2, 3, 4, -1, 6, 7, 8, 9, 10, 11}));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { index(x, tensor({3})); }), "index 3"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { index_put(x, {tensor({3})}, x[0]); }),
                       "got an index out of [0, 3) for dimension 0"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { index(x, ones({4}, kBool)); }),
                       "got a mask of shape (4,) for a tensor of shape (3, 4)"));
  EXPECT_TRUE(has_text(message_of<DTypeError>([&] { masked_select(x, x); }), "expected bool"));
  EXPECT_TRUE(has_text(message_of<GraphError>([&] {
                         compile([](const Tensor& t) { return masked_select(t, t > 0).sum(); })(
                             ones({2}));
                       }),
                       "nonzero"));
}

TEST(Assignment, ToAResultIsRefused) {
  Tensor t = ones({2, 2});
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { masked_select(t, t > 0) = zeros({4}); }),
                       "[assign] got a result of shape (4,) on the left, expected a part of a "
                       "tensor, as t[0]"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { t* 2 = 5; }), "[assign]"));
}

TEST(Logic, TakesAnyNumber) {
  const Tensor x = tensor({0.0, -0.0, 2.0, NAN, INFINITY});
  EXPECT_EQ(logical_not(x).to_vector(), (Doubles{1, 1, 0, 0, 0}));
  EXPECT_EQ(isnan(x).to_vector(), (Doubles{0, 0, 0, 1, 0}));
  EXPECT_EQ(isinf(x).to_vector(), (Doubles{0, 0, 0, 0, 1}));
  EXPECT_EQ(isfinite(x).to_vector(), (Doubles{1, 1, 1, 0, 0}));
  EXPECT_TRUE(any(x).item<bool>());
  EXPECT_FALSE(all(x).item<bool>());
  EXPECT_FALSE(any(zeros({0})).item<bool>());
  EXPECT_TRUE(all(zeros({0})).item<bool>());
  EXPECT_EQ(isfinite(tensor({1, 2})).to_vector(), (Doubles{1, 1}));
  EXPECT_EQ(nan_to_num(x).to_vector<float>(),
            (std::vector<float>{0, -0.0F, 2, 0, std::numeric_limits<float>::max()}));
}

TEST(Logic, HasOperators) {
  const Tensor x = tensor({-1.0, 0.0, 1.0, 2.0});
  EXPECT_EQ(((x > 0) & !(x > 1)).to_vector(), (Doubles{0, 0, 1, 0}));
  EXPECT_EQ(((x < 0) | (x > 1)).to_vector(), (Doubles{1, 0, 0, 1}));
  EXPECT_EQ(((x < 1) ^ (x > -1)).to_vector(), (Doubles{1, 0, 1, 1}));
  EXPECT_EQ(where(x > 0, 1, 0).dtype(), kInt64);
  EXPECT_EQ(where(x > 0, 1, 0.5).to_vector(), (Doubles{0.5, 0.5, 1, 1}));
  EXPECT_EQ(minimum(1, x).to_vector(), (Doubles{-1, 0, 1, 1}));
  EXPECT_TRUE(has_text(message_of<DTypeError>([&] { !x; }), "got float32, expected bool"));
}

TEST(Functions, HoldAtInfinitiesAndHalves) {
  EXPECT_EQ(round(tensor({0.5, 1.5, -2.5, 2.4})).to_vector(), (Doubles{0, 2, -2, 2}));
  EXPECT_EQ(floor(tensor({7})).dtype(), kInt64);
  const Tensor a = tensor({INFINITY, -INFINITY, 1000.0, -INFINITY}, kFloat64).requires_grad_();
  const Tensor b = tensor({INFINITY, -INFINITY, 1000.0, 3.0}, kFloat64).requires_grad_();
  const Tensor y = logaddexp(a, b);
  EXPECT_EQ(y.detach().to_vector(), (Doubles{INFINITY, -INFINITY, 1000 + std::log(2), 3}));
  sum(y).backward();
  EXPECT_EQ(a.grad().to_vector(), (Doubles{0.5, 0.5, 0.5, 0}));
  EXPECT_EQ(b.grad().to_vector(), (Doubles{0.5, 0.5, 0.5, 1}));
  EXPECT_EQ(lerp(tensor({1e8}), tensor({1.0}), 1).item(), 1);
  EXPECT_EQ(diag(tensor({1.0, 2.0}), 5).shape(), Shape({7, 7}));
  EXPECT_EQ(diag(zeros({2, 3}), 5).numel(), 0);
  EXPECT_EQ(repeat(tensor({1}), {0}).numel(), 0);
}

TEST(Shapes, RefuseWhatDoesNotFit) {
  const Tensor m = ones({2, 3}), v = ones({3});
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { repeat(m, {2}); }),
                       "[repeat] got (2,) for a tensor of shape (2, 3)"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { repeat(v, {-1}); }), "[repeat] got (-1,)"));
  EXPECT_THROW(repeat(v, {std::int64_t{1} << 39}), MemoryError);
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { diag(v, INT64_MIN); }), "[diag] got the diag"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { topk(full({}, 2), 0); }),
                       "[topk] got k = 0 for 1 elements, expected 1 to 1"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         meshgrid({v, m});
                       }),
                       "[meshgrid] got (2, 3), expected vectors (n,)"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { tril(v); }),
                       "[tril] got (3,), expected at least two dimensions"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         diag(ones({1, 2, 3}));
                       }),
                       "[diag] got (1, 2, 3), expected a vector or a matrix"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { trace(v); }), "[trace] got (3,)"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         scatter(m, 1, zeros({2, 2}, kInt64), m);
                       }),
                       "[scatter] got an index of shape (2, 2) and values of shape (2, 3)"));
  EXPECT_TRUE(has_text(
      message_of<DTypeError>([&] { index_put(zeros({3}, kInt64), {tensor({0})}, tensor({2.7})); }),
      "[index_put] got values of float32 for a tensor of int64"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { index_put(v, {}, v); }), "got 0 indices"));
  EXPECT_THROW(roll(m, 1, 2), ValueError);
  EXPECT_THROW(flip(m, {2}), ValueError);
}

TEST(Linalg, SaysWhatItCannotDo) {
  const Tensor singular = tensor({{1.0, 2.0}, {2.0, 4.0}});
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { solve(singular, ones({2})); }),
                       "[solve] got a singular matrix of shape (2, 2)"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { lstsq(singular, ones({2})); }),
                       "whose columns depend on each other"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { cholesky(-eye(2)); }),
                       "whose leading block of 1 rows is not positive definite"));
  EXPECT_EQ(det(singular).item(), 0);
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         inverse(ones({2, 3}));
                       }),
                       "[inverse] got (2, 3), expected a square matrix"));
  EXPECT_EQ(solve(zeros({0, 0}), zeros({0})).numel(), 0);
  // A square system of 30 in float: exact to float.
  Generator generator(1);
  const Tensor a = randn({30, 30}, generator), x = randn({30}, generator);
  EXPECT_TRUE(allclose(solve(a, matmul(a, x)), x, 1e-3, 1e-3));
  const auto [values, vectors] = eigh(a + a.t());
  EXPECT_TRUE(allclose(matmul(vectors * values, vectors.t()), a + a.t(), 1e-4, 1e-4));
}

}  // namespace
}  // namespace descent
