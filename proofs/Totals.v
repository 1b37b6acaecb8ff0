(** Totals: what a head that adds up puts into a cell, how far it may be off, and why the cell holds the sum exactly.

    Every match should weigh w = e^-D; computed it weighs w up to 2^8·eps of it, eps = 2^-t. exp does not promise that where w is below the least
    normal number: that w is a normal number is a premise of the rule. Everything else weighs 0 or is worth 0, as BOS is. The
    head's sum is taken in any order, times s, and rounded up to eight times more, on the way into the sum of all heads.
*)
From Coq Require Import Reals List ZArith Lia Lra Psatz Permutation.
From Flocq Require Import Core Relative.
From Headwork Require Import Sums Errors.
Open Scope R_scope.

Lemma products_bound : forall e x0 a z k, 0 <= e -> 0 <= x0 -> 0 <= a -> 0 <= z -> 0 <= k ->
  k <= 1.025 * z + 0.025 * a -> x0 + a + z <= 0.18 -> (1 + x0) * (1 + a) * k + (1 + x0) * a + x0 <= 1.1 * (x0 + a + z).
Proof.
  intros _ x0 a z k _ H0 Ha Hz Hk K X.
  set (Y := x0 + a + k). assert (Y <= 1.025 * (x0 + a + z)) by (unfold Y; lra).
  assert (P : x0 * a + x0 * k + a * k <= Y * Y / 3).
  { unfold Y. generalize (Rle_0_sqr (x0 - a)) (Rle_0_sqr (x0 - k)) (Rle_0_sqr (a - k)). unfold Rsqr. lra. }
  assert (Q : x0 * a * k <= 0.1845 * (x0 * a)) by (assert (0 <= x0 * a) by (apply Rmult_le_pos; assumption); nra).
  assert (Q2 : x0 * a <= Y * Y / 4).
  { unfold Y. generalize (Rle_0_sqr (x0 - a)). unfold Rsqr. assert (0 <= x0 * k) by (apply Rmult_le_pos; assumption).
    assert (0 <= a * k) by (apply Rmult_le_pos; assumption). assert (0 <= k * k) by (apply Rmult_le_pos; assumption). lra. }
  assert (YY : Y * Y <= 0.1845 * Y) by (apply Rmult_le_compat_r; unfold Y in *; lra).
  replace ((1 + x0) * (1 + a) * k + (1 + x0) * a + x0) with (Y + (x0 * a + x0 * k + a * k) + x0 * a * k) by (unfold Y; ring).
  lra.
Qed.

Lemma weighted_sum : forall w a m matches, 0 < w -> 0 <= a -> 0 <= m ->
  Forall (fun k : R * R => Rabs (fst k - w) <= a * w /\ Rabs (snd k) <= m) matches ->
  Rabs (total (map (fun k => fst k * snd k) matches) - w * total (map snd matches)) <= INR (length matches) * (a * w * m)
  /\ Rabs (total (map snd matches)) <= INR (length matches) * m
  /\ Forall (fun x => Rabs x <= w * (1 + a) * m) (map (fun k => fst k * snd k) matches).
Proof.
  intros w a m matches Hw Ha Hm F. induction F as [|[p v] l [Hp Hv] _ (I1 & I2 & I3)].
  - simpl. rewrite Rmult_0_r, Rminus_0_r, Rabs_R0. repeat split; try lra. constructor.
  - cbn [map total fst snd length] in *. rewrite S_INR.
    assert (T : Rabs ((p - w) * v) <= a * w * m).
    { rewrite Rabs_mult. apply Rmult_le_compat; auto using Rabs_pos. }
    repeat split.
    + replace (p * v + total (map (fun k => fst k * snd k) l) - w * (v + total (map snd l)))
        with ((p - w) * v + (total (map (fun k => fst k * snd k) l) - w * total (map snd l))) by ring.
      eapply Rle_trans; [apply Rabs_triang|]. lra.
    + eapply Rle_trans; [apply Rabs_triang|]. lra.
    + constructor; [|exact I3]. rewrite Rabs_mult. apply Rmult_le_compat; auto using Rabs_pos.
      replace p with ((p - w) + w) by ring. eapply Rle_trans; [apply Rabs_triang|]. rewrite (Rabs_pos_eq w) by lra. lra.
Qed.

(** The bound of the rule: what a head adds is c·(sum of v) up to 1.1·x·|c|·M·m. *)
Theorem total_is_close :
  forall (eps w s c m theta : R) (rnd : R -> R) (M : nat) (matches : list (R * R)) (zeros : list R) (order : sum),
  let x := Rabs (s * w / c - 1) + 256 * eps + (INR M / 2 + 4) * eps in
  0 < eps -> accurate eps rnd -> 0 < w -> c <> 0 -> 0 <= m -> x <= 0.18 -> INR M * eps <= 1 / 256 ->
  (length matches <= M)%nat -> Forall (fun k => Rabs (fst k - w) <= 256 * eps * w /\ Rabs (snd k) <= m) matches ->
  Forall (fun z => z = 0) zeros -> Permutation (terms order) (map (fun k => fst k * snd k) matches ++ zeros) ->
  (1 - eps) ^ 8 <= theta <= (1 + eps) ^ 8 ->
  Rabs (s * computed rnd order * theta - c * total (map snd matches)) <= 1.1 * x * Rabs c * INR M * m.
Proof.
  intros eps w s c m theta rnd M matches zeros order x He A Hw Hc Hm Hx HM L F Z P Th.
  assert (M0 : 0 <= INR M) by apply pos_INR.
  assert (Me : 0 <= INR M * eps) by (apply Rmult_le_pos; lra).
  set (x0 := Rabs (s * w / c - 1)) in *. assert (X0 : 0 <= x0) by apply Rabs_pos.
  assert (He' : eps <= 0.001) by (unfold x in Hx; lra).
  set (a := 256 * eps) in *. assert (Ha : 0 <= a) by (unfold a; lra).
  set (G := 256 / 255).
  assert (HG : (1 + eps) ^ M <= G).
  { assert (0 < (1 + eps) ^ M) by (apply pow_lt; lra). generalize (power_bound eps M (Rlt_le _ _ He)). unfold G. nra. }
  destruct (weighted_sum w a m matches Hw Ha Hm F) as (W1 & W2 & W3).
  assert (LM : INR (length matches) <= INR M) by (apply le_INR; exact L).
  set (B := w * (1 + a) * m). assert (HB : 0 <= B) by (unfold B; apply Rmult_le_pos; [apply Rmult_le_pos; lra|lra]).
  set (Q := total (map (fun k => fst k * snd k) matches)) in *. set (V := total (map snd matches)) in *.
  assert (TQ : total (terms order) = Q).
  { rewrite (total_permutation _ _ P), total_app. fold Q.
    rewrite (total_zeros zeros) by (apply nonzero_zeros, Z). ring. }
  assert (FB : Forall (fun x => Rabs x <= B) (terms order)).
  { apply Forall_forall. intros y I. apply (Permutation_in _ P) in I. apply in_app_or in I as [I|I].
    - rewrite Forall_forall in W3. apply W3, I.
    - rewrite Forall_forall in Z. rewrite (Z _ I), Rabs_R0. exact HB. }
  assert (N : (nonzero (terms order) <= M)%nat).
  { rewrite (nonzero_permutation _ _ P), nonzero_app, (nonzero_zeros _ Z), Nat.add_0_r.
    eapply Nat.le_trans; [apply nonzero_le_length|]. now rewrite map_length. }
  set (C := computed rnd order) in *.
  assert (CB : Rabs C <= INR M * (B * G) /\ Rabs (C - Q) <= INR M * (B * (G * (eps * ((INR M + 3) / 2))))).
  { rewrite <- TQ. unfold C. destruct (Nat.eq_dec (nonzero (terms order)) 0) as [E|E].
    - rewrite (computed_zeros eps rnd A order E), (total_zeros _ E), Rminus_0_r, Rabs_R0.
      assert (0 <= B * G) by (apply Rmult_le_pos; unfold G; lra).
      assert (0 <= B * (G * (eps * ((INR M + 3) / 2)))).
      { apply Rmult_le_pos; [lra|]. apply Rmult_le_pos; [unfold G; lra|]. apply Rmult_le_pos; lra. }
      split; apply Rmult_le_pos; assumption.
    - destruct (computed_error eps B G rnd M (Rlt_le _ _ He) HB A HG order FB) as [S1 S2]; [lia|].
      assert (NM : INR (nonzero (terms order)) <= INR M) by (apply le_INR; exact N).
      assert (N0 : 0 <= INR (nonzero (terms order))) by apply pos_INR.
      split.
      + eapply Rle_trans; [exact S1|]. rewrite Rmult_assoc. apply Rmult_le_compat; auto.
        * apply Rmult_le_pos; [exact HB|apply pow_le; lra].
        * apply Rmult_le_compat_l; [exact HB|]. eapply Rle_trans; [apply Rle_pow; [lra|exact N]|exact HG].
      + eapply Rle_trans; [exact S2|].
        replace (INR M * (B * (G * (eps * ((INR M + 3) / 2))))) with (eps * G * B * ((INR M * INR M + 3 * INR M) / 2)) by field.
        apply Rmult_le_compat_l; [apply Rmult_le_pos; [apply Rmult_le_pos; unfold G; lra|exact HB]|]. nra. }
  destruct CB as [C1 C2].
  set (tau := Rabs (theta - 1)).
  assert (HT : tau <= 8.1 * eps).
  { unfold tau. apply Rabs_le. assert (U := power_bound eps 8 (Rlt_le _ _ He)).
    replace (INR 8) with 8 in U by (simpl; ring). assert (0 < (1 + eps) ^ 8) by (apply pow_lt; lra).
    assert (UP : (1 + eps) ^ 8 <= 1 + 8.1 * eps) by nra.
    assert (LO : 1 - 8 * eps <= (1 - eps) ^ 8).
    { assert (O : forall n, 1 - INR n * eps <= (1 - eps) ^ n).
      { induction n as [|n IH]; [simpl; lra|]. rewrite S_INR. simpl. assert (0 <= INR n) by apply pos_INR.
        assert ((1 - eps) * (1 - INR n * eps) <= (1 - eps) * (1 - eps) ^ n) by (apply Rmult_le_compat_l; lra). nra. }
      specialize (O 8%nat). replace (INR 8) with 8 in O by (simpl; ring). exact O. }
    lra. }
  assert (T0 : 0 <= tau) by apply Rabs_pos.
  (* s·w = c·r with r near 1 *)
  set (r := s * w / c). assert (SW : s * w = c * r) by (unfold r; field; exact Hc).
  assert (R1 : Rabs r <= 1 + x0).
  { replace r with ((r - 1) + 1) by ring. eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_R1. unfold x0, r. lra. }
  assert (SR : Rabs s * w = Rabs c * Rabs r).
  { rewrite <- (Rabs_pos_eq w) by lra. rewrite <- !Rabs_mult, SW. reflexivity. }
  set (K := INR M * m). assert (K0 : 0 <= K) by (apply Rmult_le_pos; assumption).
  set (c' := Rabs c) in *. assert (c0 : 0 <= c') by apply Rabs_pos.
  assert (SB : Rabs s * B = c' * Rabs r * ((1 + a) * m)) by (unfold B; rewrite <- SR; ring).
  assert (E1 : Rabs (s * C * (theta - 1)) <= c' * Rabs r * K * ((1 + a) * (G * tau))).
  { rewrite !Rabs_mult. fold tau.
    replace (c' * Rabs r * K * ((1 + a) * (G * tau))) with (Rabs s * (INR M * (B * G)) * tau)
      by (unfold K; replace (Rabs s * (INR M * (B * G)) * tau) with (Rabs s * B * (INR M * G * tau)) by ring; rewrite SB; ring).
    apply Rmult_le_compat_r; [exact T0|]. apply Rmult_le_compat_l; [apply Rabs_pos|exact C1]. }
  assert (E2 : Rabs (s * (C - Q)) <= c' * Rabs r * K * ((1 + a) * (G * (eps * ((INR M + 3) / 2))))).
  { rewrite Rabs_mult.
    replace (c' * Rabs r * K * ((1 + a) * (G * (eps * ((INR M + 3) / 2)))))
      with (Rabs s * (INR M * (B * (G * (eps * ((INR M + 3) / 2))))))
      by (unfold K; replace (Rabs s * (INR M * (B * (G * (eps * ((INR M + 3) / 2)))))) with (Rabs s * B * (INR M * (G * (eps * ((INR M + 3) / 2))))) by ring;
          rewrite SB; ring).
    apply Rmult_le_compat_l; [apply Rabs_pos|exact C2]. }
  assert (E3 : Rabs (s * (Q - w * V)) <= c' * Rabs r * K * a).
  { rewrite Rabs_mult. replace (c' * Rabs r * K * a) with (Rabs s * (INR M * (a * w * m)))
      by (unfold K; rewrite <- SR; ring).
    apply Rmult_le_compat_l; [apply Rabs_pos|]. eapply Rle_trans; [exact W1|].
    apply Rmult_le_compat_r; [apply Rmult_le_pos; [apply Rmult_le_pos; lra|exact Hm]|exact LM]. }
  assert (E4 : Rabs ((s * w - c) * V) <= c' * K * x0).
  { replace (s * w - c) with (c * (r - 1)) by (rewrite SW; ring). rewrite !Rabs_mult. fold c'.
    replace (c' * K * x0) with (c' * x0 * K) by ring. apply Rmult_le_compat.
    - apply Rmult_le_pos; [exact c0|apply Rabs_pos].
    - apply Rabs_pos.
    - apply Rmult_le_compat_l; [exact c0|]. unfold x0, r. lra.
    - eapply Rle_trans; [exact W2|]. apply Rmult_le_compat_r; assumption. }
  set (k := G * (tau + eps * ((INR M + 3) / 2))).
  assert (k0 : 0 <= k) by (unfold k, G; apply Rmult_le_pos; [lra|apply Rplus_le_le_0_compat; [lra|apply Rmult_le_pos; lra]]).
  assert (KB : k <= 1.025 * ((INR M / 2 + 4) * eps) + 0.025 * a).
  { unfold k, G, a. lra. }
  assert (FIN := products_bound 0 x0 a ((INR M / 2 + 4) * eps) k (Rle_refl 0) X0 Ha ltac:(apply Rmult_le_pos; lra) k0 KB ltac:(unfold x in Hx; lra)).
  replace (s * C * theta - c * V) with (s * C * (theta - 1) + s * (C - Q) + s * (Q - w * V) + (s * w - c) * V) by ring.
  assert (SUM : Rabs (s * C * (theta - 1) + s * (C - Q) + s * (Q - w * V) + (s * w - c) * V)
                <= c' * K * (Rabs r * ((1 + a) * k + a) + x0)).
  { eapply Rle_trans; [apply Rabs_triang|]. eapply Rle_trans; [apply Rplus_le_compat_r, Rabs_triang|].
    eapply Rle_trans; [apply Rplus_le_compat_r, Rplus_le_compat_r, Rabs_triang|].
    replace (c' * K * (Rabs r * ((1 + a) * k + a) + x0)) with
      (c' * Rabs r * K * ((1 + a) * (G * tau)) + c' * Rabs r * K * ((1 + a) * (G * (eps * ((INR M + 3) / 2)))) + c' * Rabs r * K * a + c' * K * x0)
      by (unfold k; ring).
    lra. }
  eapply Rle_trans; [exact SUM|].
  replace (1.1 * x * c' * INR M * m) with (c' * K * (1.1 * (x0 + a + (INR M / 2 + 4) * eps))) by (unfold K, x; ring).
  apply Rmult_le_compat_l; [apply Rmult_le_pos; assumption|].
  eapply Rle_trans; [|exact FIN].
  assert (0 <= (1 + a) * k + a) by (apply Rplus_le_le_0_compat; [apply Rmult_le_pos; lra|exact Ha]).
  assert (Rabs r * ((1 + a) * k + a) <= (1 + x0) * ((1 + a) * k + a)) by (apply Rmult_le_compat_r; assumption).
  lra.
Qed.

(** The condition M·eps <= 1/256 is no further one: it follows from an error below 1/2, c and the greatest value being integers. *)
Theorem small_errors_mean_few_matches :
  forall (eps c m x : R) (M : nat), 0 < eps -> 260 * eps <= x -> 1 <= Rabs c -> 1 <= m ->
  1.1 * x * Rabs c * INR M * m < 1 / 2 -> INR M * eps <= 1 / 256.
Proof.
  intros eps c m x M He Hx Hc Hm H. assert (M0 : 0 <= INR M) by apply pos_INR.
  assert (A : 1 <= Rabs c * m) by (replace 1 with (1 * 1) by ring; apply Rmult_le_compat; lra).
  assert (B : 0 <= x * INR M) by (apply Rmult_le_pos; lra).
  assert (C : x * INR M * 1 <= x * INR M * (Rabs c * m)) by (apply Rmult_le_compat_l; assumption).
  assert (D : 260 * eps * INR M <= x * INR M) by (apply Rmult_le_compat_r; assumption).
  replace (1.1 * x * Rabs c * INR M * m) with (1.1 * (x * INR M * (Rabs c * m))) in H by ring. lra.
Qed.

(** A cell that holds F, with F + S in (2^(t-1), 2^t], holds exactly F + S after y is added, if y is closer than 1/2 to S. *)
Theorem cell_holds_the_sum :
  forall (t emin : Z) (ties : Z -> bool) (F S : Z) (y : R),
  (1 < t)%Z -> (emin <= 0)%Z -> (2 ^ (t - 1) < F + S <= 2 ^ t)%Z -> Rabs (y - IZR S) < 1 / 2 ->
  rounding t emin (Znearest ties) (IZR F + y) = IZR (F + S).
Proof.
  intros t emin ties F S y Ht He [Lo Hi] Hy. apply Rabs_def2 in Hy as [Y1 Y2].
  assert (Lo' : bpow radix2 (t - 1) + 1 <= IZR (F + S)).
  { rewrite <- (IZR_Zpower radix2) by lia. change (radix_val radix2) with 2%Z. rewrite <- plus_IZR. apply IZR_le. lia. }
  assert (Hi' : IZR (F + S) <= bpow radix2 t).
  { rewrite <- (IZR_Zpower radix2) by lia. apply IZR_le. exact Hi. }
  rewrite plus_IZR in *. set (x := IZR F + y).
  assert (P0 : 0 < bpow radix2 (t - 1)) by apply bpow_gt_0.
  unfold rounding, round, F2R, scaled_mantissa. simpl Defs.Fnum. simpl Defs.Fexp.
  destruct (Rlt_le_dec x (bpow radix2 t)) as [X|X].
  - assert (E : cexp radix2 (FLT_exp emin t) x = 0%Z).
    { unfold cexp. rewrite (mag_unique_pos radix2 x t) by (unfold x in *; lra). unfold FLT_exp. lia. }
    rewrite E. simpl bpow. rewrite !Rmult_1_r.
    rewrite (Znearest_imp ties x (F + S)); [apply plus_IZR|].
    rewrite plus_IZR. apply Rabs_def1; unfold x; lra.
  - assert (T2 : bpow radix2 (t + 1) = 2 * bpow radix2 t) by (rewrite Zplus_comm, bpow_plus; reflexivity).
    assert (T1 : bpow radix2 t = 2 * bpow radix2 (t - 1)).
    { replace t with (1 + (t - 1))%Z at 1 by ring. rewrite bpow_plus. reflexivity. }
    assert (ZE : (F + S = 2 ^ t)%Z).
    { assert (bpow radix2 t < IZR (F + S + 1)) by (rewrite !plus_IZR; unfold x in X; lra).
      rewrite <- (IZR_Zpower radix2) in H by lia. apply lt_IZR in H. change (radix_val radix2) with 2%Z in H. lia. }
    assert (FS : IZR F + IZR S = bpow radix2 t).
    { rewrite <- plus_IZR, ZE. rewrite <- (IZR_Zpower radix2) by lia. reflexivity. }
    assert (B1 : 1 <= bpow radix2 t) by (change 1 with (bpow radix2 0); apply bpow_le; lia).
    assert (E : cexp radix2 (FLT_exp emin t) x = 1%Z).
    { unfold cexp. rewrite (mag_unique_pos radix2 x (t + 1)).
      - unfold FLT_exp. lia.
      - replace (t + 1 - 1)%Z with t by ring. unfold x in *. lra. }
    rewrite E. rewrite (Znearest_imp ties (x * bpow radix2 (- (1))) (2 ^ (t - 1))).
    + change 2%Z with (radix_val radix2) at 1. rewrite (IZR_Zpower radix2) by lia. rewrite FS, T1. change (bpow radix2 1) with 2. ring.
    + change 2%Z with (radix_val radix2) at 1. rewrite (IZR_Zpower radix2) by lia. change (bpow radix2 (- (1))) with (/ 2).
      apply Rabs_def1; unfold x; lra.
Qed.
