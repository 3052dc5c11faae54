// Stand-ins with the ports of the RTL's encoder and decoder. They code nothing: they look up what the
// real ones would put out, +vectors=FOLDER/ID, and put it out when a transmission is in.
//
//   +spoil=N   the lowest bit of output word N of a BPC stream, or of the decoder, is wrong

`timescale 1ns / 1ps

module ebpc_encoder #(
    parameter DATA_W = 8
) (
    input clk_i, rst_ni,
    input [DATA_W-1:0] data_i,
    input last_i, vld_i,
    output rdy_o, idle_o, blk_done_o,
    output [DATA_W-1:0] znz_data_o, bpc_data_o,
    output znz_last_o, znz_vld_o, bpc_last_o, bpc_vld_o,
    input znz_rdy_i, bpc_rdy_i
);
  reg [DATA_W+1:0] expected[0:65536];
  reg [DATA_W:0] znz[0:65536], bpc[0:65536];
  reg [31:0] bpc_counts[0:65536];
  reg [8*256-1:0] vectors, name;
  integer in_at, znz_at, bpc_at, bpc_free, znz_free, transmission, spoil, tick;

  initial begin
    if (!$value$plusargs("vectors=%s", vectors)) $finish;
    if (!$value$plusargs("spoil=%d", spoil)) spoil = -1;
    $sformat(name, "%0s.data.hex", vectors);
    $readmemh(name, expected);
    $sformat(name, "%0s.znz.hex", vectors);
    $readmemh(name, znz);
    $sformat(name, "%0s.bpc.hex", vectors);
    $readmemh(name, bpc);
    $sformat(name, "%0s.bpc_words.hex", vectors);
    $readmemh(name, bpc_counts);
  end

  assign rdy_o = tick % 3 != 2;
  assign idle_o = znz_at == znz_free && bpc_at == bpc_free;
  assign blk_done_o = 0;
  assign znz_vld_o = znz_at < znz_free;
  assign bpc_vld_o = bpc_at < bpc_free;
  assign {znz_last_o, znz_data_o} = znz[znz_at];
  assign {bpc_last_o, bpc_data_o} = bpc[bpc_at] ^ (bpc_at == spoil);

  always @(posedge clk_i or negedge rst_ni)
    if (!rst_ni) begin
      in_at <= 0;
      znz_at <= 0;
      bpc_at <= 0;
      znz_free <= 0;
      bpc_free <= 0;
      transmission <= 0;
      tick <= 0;
    end else begin
      tick <= tick + 1;
      if (znz_vld_o && znz_rdy_i) znz_at <= znz_at + 1;
      if (bpc_vld_o && bpc_rdy_i) bpc_at <= bpc_at + 1;
      if (vld_i && rdy_o) begin
        in_at <= in_at + 1;
        if ({last_i, data_i} !== expected[in_at][DATA_W:0])
          $display("STUB: word %0d is %h", in_at, {last_i, data_i});
        if (last_i) begin
          transmission <= transmission + 1;
          bpc_free <= bpc_free + bpc_counts[transmission];
          znz_free <= end_of_znz(znz_free);
        end
      end
    end

  function integer end_of_znz(input integer from);
    integer k;
    begin
      k = from;
      while (!znz[k][DATA_W]) k = k + 1;
      end_of_znz = k + 1;
    end
  endfunction
endmodule

module ebpc_decoder #(
    parameter DATA_W = 8,
    parameter LOG_MAX_WORDS = 24
) (
    input clk_i, rst_ni,
    input [DATA_W-1:0] bpc_i, znz_i,
    input bpc_last_i, bpc_vld_i, znz_last_i, znz_vld_i,
    output bpc_rdy_o, znz_rdy_o,
    input [LOG_MAX_WORDS-1:0] num_words_i,
    input num_words_vld_i,
    output num_words_rdy_o,
    output [DATA_W-1:0] data_o,
    output last_o, vld_o,
    input rdy_i
);
  reg [DATA_W:0] data[0:65536], znz[0:65536], bpc[0:65536];
  reg [31:0] bpc_counts[0:65536];
  reg [8*256-1:0] vectors, name;
  integer out_at, znz_at, bpc_at, transmission, left, bpc_left, spoil;
  reg run, znz_through;

  initial begin
    if (!$value$plusargs("vectors=%s", vectors)) $finish;
    if (!$value$plusargs("spoil=%d", spoil)) spoil = -1;
    $sformat(name, "%0s.data.hex", vectors);
    $readmemh(name, data);
    $sformat(name, "%0s.znz.hex", vectors);
    $readmemh(name, znz);
    $sformat(name, "%0s.bpc.hex", vectors);
    $readmemh(name, bpc);
    $sformat(name, "%0s.bpc_words.hex", vectors);
    $readmemh(name, bpc_counts);
  end

  assign num_words_rdy_o = !run;
  // As in the RTL, words are taken even where nothing runs: that would be a fault of the test bench.
  assign znz_rdy_o = !(run && znz_through);
  assign bpc_rdy_o = !(run && bpc_left == 0 && bpc_counts[transmission] != 0);
  assign vld_o = run && znz_through && bpc_left == 0;
  assign {last_o, data_o} = data[out_at] ^ (out_at == spoil);

  always @(posedge clk_i or negedge rst_ni)
    if (!rst_ni) begin
      out_at <= 0;
      znz_at <= 0;
      bpc_at <= 0;
      transmission <= 0;
      left <= 0;
      bpc_left <= 0;
      run <= 0;
      znz_through <= 0;
    end else begin
      if (num_words_vld_i && num_words_rdy_o) begin
        run <= 1;
        left <= num_words_i;
        bpc_left <= bpc_counts[transmission];
        znz_through <= 0;
      end
      if (znz_vld_i && znz_rdy_o) begin
        if (!run || {znz_last_i, znz_i} !== znz[znz_at])
          $display("STUB: ZNZ word %0d is %h", znz_at, {znz_last_i, znz_i});
        znz_at <= znz_at + 1;
        znz_through <= znz_last_i;
      end
      if (bpc_vld_i && bpc_rdy_o) begin
        if (!run || bpc_left == 0 || {bpc_last_i, bpc_i} !== bpc[bpc_at])
          $display("STUB: BPC word %0d is %h", bpc_at, {bpc_last_i, bpc_i});
        bpc_at <= bpc_at + 1;
        bpc_left <= bpc_left - 1;
      end
      if (vld_o && rdy_i) begin
        out_at <= out_at + 1;
        left <= left - 1;
        if (left == 0) begin
          run <= 0;
          transmission <= transmission + 1;
        end
      end
    end
endmodule
