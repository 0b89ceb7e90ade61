#include <descent/core/parallel.h>
#include <descent/core/text.h>
#include <descent/data/reading/pieces.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

namespace descent::data::detail {

// A thread reads so much of the text at a time.
constexpr std::size_t kPiece = std::size_t{1} << 20;

std::int64_t lines_of(std::string_view text, char newline) {
  std::int64_t n = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(newline), text.size());
    n += end > 0 && !(end == 1 && text[0] == '\r');
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return n;
}

std::vector<Piece> pieces_of(std::string_view text, const Format& format) {
  std::vector<Piece> pieces;
  Cursor first(text, format);
  first.next_row();
  width_at(first);
  const std::size_t enough =  // of at least 64 rows, since a piece has something for each column
      std::max(kPiece, 64 * static_cast<std::size_t>(first.at() - text.data()));
  std::atomic<bool> quotes = false;
  parallel_for(
      static_cast<std::int64_t>(text.size()), std::int64_t{1} << 22,
      [&](std::int64_t begin, std::int64_t end) {
        if (!quotes && std::memchr(text.data() + begin, '"', static_cast<std::size_t>(end - begin)))
          quotes = true;
      });
  while (!text.empty()) {
    std::size_t size = text.size();
    if (quotes && size > enough) {
      Cursor cursor(text, format);
      while (cursor.at() < text.data() + enough && cursor.next_row()) width_at(cursor);
      size = static_cast<std::size_t>(cursor.at() - text.data());
    } else if (size > enough) {
      size = std::min(text.find(format.newline, enough), text.size() - 1) + 1;
    }
    pieces.emplace_back().text = text.substr(0, size);
    text.remove_prefix(size);
  }
  return pieces;
}

void read(Piece& piece, const Format& format, const std::vector<Pass>& passes, std::size_t width,
          float* out) {
  Cursor cursor(piece.text, format);
  const auto wrong = [&](const char* at, std::size_t c, std::string_view field) {
    piece.wrong_at = at;
    piece.wrong_column = c;
    piece.wrong = brief(field);
  };
  while (piece.wrong_at == nullptr && cursor.next_row()) {
    const char* const row = cursor.at();
    std::size_t c = 0;
    bool more = true;
    for (; more && c < passes.size(); ++c, more = cursor.next_field()) {
      const Pass& pass = passes[c];
      double x = 0;
      if (pass.action == Pass::number && cursor.plain_number(x)) {
        out[pass.to] = static_cast<float>(x - pass.shift);
        continue;
      }
      const char* const at = cursor.at();
      const std::string_view field = cursor.field();
      if (pass.action == Pass::skip) continue;
      auto& place_of_column = piece.columns[c];
      if (!place_of_column) place_of_column = std::make_unique<PieceColumn>();
      PieceColumn& column = *place_of_column;
      const Meaning meaning = meaning_of(field, format.decimal);
      float& to = out[pass.to];
      if (meaning.kind == Meaning::gap) {
        ++column.gaps;
        if (column.first_gap == nullptr) column.first_gap = at;
        to = NAN;
      } else if (pass.action == Pass::word) {
        const auto place =
            column.overflows ? std::nullopt : column.dictionary.place_of(field, pass.most_words);
        column.overflows = !place;
        to = place ? static_cast<float>(*place) : NAN;
        if (meaning.kind == Meaning::word && column.first_word == nullptr) column.first_word = at;
      } else if (meaning.kind == Meaning::number) {
        to = static_cast<float>(meaning.value - pass.shift);
      } else if (meaning.kind == Meaning::too_large) {
        if (piece.wrong_at == nullptr) wrong(at, c, field);
      } else {
        ++column.words;
        if (column.first_word == nullptr) column.first_word = at;
        to = NAN;
      }
    }
    if (cursor.unclosed()) {
      wrong(row, passes.size(), "\"");
    } else if (more || c < passes.size()) {
      piece.fields = c;
      for (; more; more = cursor.next_field()) cursor.field(), ++piece.fields;
      wrong(row, passes.size(), "");
    } else {
      out += width;
      ++piece.rows;
    }
  }
}

}  // namespace descent::data::detail
