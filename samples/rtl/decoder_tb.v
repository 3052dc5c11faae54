// Feeds ebpc_decoder the words of ID.znz.hex and ID.bpc.hex and the numbers of ID.num_words.hex, and
// writes what it puts out to ID.data.out.hex, for `fmc vectors --check`. Plain Verilog-2001.
//
//   +vectors=FOLDER/ID   the vectors; the output goes beside them, or to +outputs=FOLDER/ID
//   +threshold=T         each port's gate is open in T of 256 cycles, at random  [256: always]
//
// Words of a transmission are offered only in cycles after that in which its number of words was
// taken: the RTL takes the last flag of words that come before for nothing.

`timescale 1ns / 1ps

module decoder_tb;
  parameter DATA_W = 8;          // as the RTL was built
  parameter LOG_MAX_WORDS = 24;  // width of num_words_i
  parameter MOST_WORDS = 65536;  // of each stream, all transmissions together
  parameter QUIET = 1000;        // so many cycles without a handshake end the run

  // A word of a stream is {last, word}; one bit more, so that words behind the end can be told.
  reg [DATA_W+1:0] znz_words[0:MOST_WORDS], bpc_words[0:MOST_WORDS];
  reg [LOG_MAX_WORDS:0] numbers[0:MOST_WORDS];
  reg [31:0] bpc_counts[0:MOST_WORDS];  // BPC words of each transmission: some have none
  reg [DATA_W+1:0] word;
  reg [8*256-1:0] vectors, outputs, name;
  integer nw_at, znz_at, bpc_at, started, znz_done, bpc_free, out_file, quiet, threshold, i;

  reg clk, rst_n, nw_offered, znz_offered, bpc_offered, nw_open, znz_open, bpc_open;
  reg [31:0] nw_state, znz_state, bpc_state, out_state;

  reg [DATA_W-1:0] znz, bpc;
  reg [LOG_MAX_WORDS-1:0] num_words;
  reg znz_last, znz_vld, bpc_last, bpc_vld, num_words_vld, rdy;
  wire znz_rdy, bpc_rdy, num_words_rdy, last, vld;
  wire [DATA_W-1:0] data;

  ebpc_decoder dut (
      .clk_i(clk), .rst_ni(rst_n),
      .bpc_i(bpc), .bpc_last_i(bpc_last), .bpc_vld_i(bpc_vld), .bpc_rdy_o(bpc_rdy),
      .znz_i(znz), .znz_last_i(znz_last), .znz_vld_i(znz_vld), .znz_rdy_o(znz_rdy),
      .num_words_i(num_words), .num_words_vld_i(num_words_vld), .num_words_rdy_o(num_words_rdy),
      .data_o(data), .last_o(last), .vld_o(vld), .rdy_i(rdy)
  );

  function [31:0] next(input [31:0] state);
    next = state * 32'd1664525 + 32'd1013904223;
  endfunction

  initial begin
    if (!$value$plusargs("vectors=%s", vectors)) begin
      $display("give +vectors=FOLDER/ID");
      $finish;
    end
    if (!$value$plusargs("outputs=%s", outputs)) outputs = vectors;
    if (!$value$plusargs("threshold=%d", threshold)) threshold = 256;
    for (i = 0; i <= MOST_WORDS; i = i + 1) begin
      znz_words[i] = {(DATA_W + 2) {1'b1}};
      bpc_words[i] = {(DATA_W + 2) {1'b1}};
      numbers[i] = {(LOG_MAX_WORDS + 1) {1'b1}};
    end
    $sformat(name, "%0s.znz.hex", vectors);
    $readmemh(name, znz_words);
    $sformat(name, "%0s.bpc.hex", vectors);
    $readmemh(name, bpc_words);
    $sformat(name, "%0s.num_words.hex", vectors);
    $readmemh(name, numbers);
    $sformat(name, "%0s.bpc_words.hex", vectors);
    $readmemh(name, bpc_counts);
    $sformat(name, "%0s.data.out.hex", outputs);
    out_file = $fopen(name, "w");

    {clk, rst_n, nw_offered, znz_offered, bpc_offered, rdy} = 0;
    {num_words, num_words_vld, znz, znz_last, znz_vld, bpc, bpc_last, bpc_vld} = 0;
    nw_state = 1;
    znz_state = 2;
    bpc_state = 3;
    out_state = 4;
    nw_at = 0;
    znz_at = 0;
    bpc_at = 0;
    started = 0;
    znz_done = 0;
    bpc_free = 0;
    quiet = 0;
    for (i = 0; i < 8; i = i + 1) #5 clk = ~clk;
    rst_n = 1;
    while (quiet < QUIET) begin
      // Inputs change while the clock is low.
      nw_state = next(nw_state);
      znz_state = next(znz_state);
      bpc_state = next(bpc_state);
      out_state = next(out_state);
      nw_open = nw_state[31:24] < threshold;
      znz_open = znz_state[31:24] < threshold && znz_done < started;
      bpc_open = bpc_state[31:24] < threshold && bpc_at < bpc_free;
      rdy = out_state[31:24] < threshold;
      num_words_vld = !numbers[nw_at][LOG_MAX_WORDS] && (nw_offered || nw_open);
      num_words = num_words_vld ? numbers[nw_at][LOG_MAX_WORDS-1:0] : {LOG_MAX_WORDS{1'b0}};
      word = znz_words[znz_at];
      znz_vld = !word[DATA_W+1] && (znz_offered || znz_open);
      {znz_last, znz} = znz_vld ? word[DATA_W:0] : {(DATA_W + 1) {1'b0}};
      word = bpc_words[bpc_at];
      bpc_vld = !word[DATA_W+1] && (bpc_offered || bpc_open);
      {bpc_last, bpc} = bpc_vld ? word[DATA_W:0] : {(DATA_W + 1) {1'b0}};
      // Outputs are looked at just before the rising edge.
      #4;
      quiet = quiet + 1;
      nw_offered = num_words_vld && num_words_rdy !== 1'b1;
      znz_offered = znz_vld && znz_rdy !== 1'b1;
      bpc_offered = bpc_vld && bpc_rdy !== 1'b1;
      if (znz_vld && znz_rdy === 1'b1) begin
        znz_at = znz_at + 1;
        if (znz_last) znz_done = znz_done + 1;
        quiet = 0;
      end
      if (bpc_vld && bpc_rdy === 1'b1) begin
        bpc_at = bpc_at + 1;
        quiet = 0;
      end
      if (num_words_vld && num_words_rdy === 1'b1) begin
        bpc_free = bpc_free + bpc_counts[nw_at];
        nw_at = nw_at + 1;
        started = started + 1;
        quiet = 0;
      end
      if (vld === 1'b1 && rdy) begin
        $fdisplay(out_file, "%h", {last, data});
        quiet = 0;
      end
      #1 clk = 1;
      #5 clk = 0;
    end
    if (!numbers[nw_at][LOG_MAX_WORDS]) $display("the decoder takes no more: transmission %0d", nw_at);
    $fclose(out_file);
    $finish;
  end
endmodule
